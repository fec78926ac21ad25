"""Collects product photos: from an image search, a list of addresses, or a folder.

python -m data_prep.crawl --engine=bing --keyword="red dress" --category=dress --out_dir=PHOTOS
python -m data_prep.crawl --engine=urls --urls_path=urls.txt --category=dress --out_dir=PHOTOS

PHOTOS gets <category>/<name>-<hash>.jpg, as data_prep.auto_mask takes it, and manifest.jsonl:
address, time, size, hashes and licence of every photo, and why the others were left out. A photo's
licence is the search engine's word only: you answer for what you use. Run again, it goes on.
"""

from pathlib import Path

from absl import flags

from tfseg.io import command_line

FLAGS = flags.FLAGS
_ABOUT = "product-photo-crawler/1.0"


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_enum("engine", "bing", ["bing", "google", "urls", "folder"], "Where from.")
    flags.DEFINE_string("keyword", "", "bing, google: what to search for.")
    command_line.define_path("urls_path", None, "urls: file with one address a line, TAB licence.")
    command_line.define_path("folder", None, "folder: takes the photos of this folder over.")
    flags.DEFINE_string("category", None, "Folder in out_dir that the photos go to.", required=True)
    command_line.define_path("out_dir", None, "Where photos and manifest go.", required=True)
    flags.DEFINE_integer("max_num", 200, "Photos of the category to stop at.", 1)
    flags.DEFINE_string(
        "licence",
        "",
        "bing, google: creativecommons, publicdomain, noncommercial or commercial; else noted.",
    )
    flags.DEFINE_float("requests_per_second", 1.0, "To one host, at most.", 0.01, 100)
    flags.DEFINE_integer("num_workers", 8, "Photos fetched at the same time, of several hosts.", 1)
    flags.DEFINE_bool("robots", True, "Obey the hosts' robots.txt.")
    flags.DEFINE_string("contact", "", "Address or page in the user agent, for the hosts' owners.")
    flags.DEFINE_bool("local_hosts", False, "Allow addresses of local networks.")


def _candidates(user_agent: str):
    from data_prep.crawl import engines

    if FLAGS.engine == "urls":
        return engines.listed(Path(_needed("urls_path")), FLAGS.licence)
    if FLAGS.engine == "folder":
        return engines.in_folder(Path(_needed("folder")), FLAGS.licence)
    if FLAGS.licence and FLAGS.licence not in engines.LICENCES:
        raise ValueError(
            f"--licence={FLAGS.licence}: {FLAGS.engine} has no such filter; expected one of "
            f"{', '.join(engines.LICENCES)}."
        )
    # Many results are left out as small or alike.
    return engines.search(
        FLAGS.engine, _needed("keyword"), FLAGS.licence, 3 * FLAGS.max_num, user_agent
    )


def _needed(name: str) -> str:
    value = FLAGS[name].value
    if not value:
        raise ValueError(f"--engine={FLAGS.engine} needs --{name}.")
    return value


def main(argv: list[str]) -> None:
    """Reads the flags and crawls."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors("to go on"):
        from data_prep.crawl.fetch import Politeness
        from data_prep.crawl.run import KEPT, NOT_PUBLIC, Crawl

        user_agent = f"{_ABOUT} (+{FLAGS.contact})" if FLAGS.contact else _ABOUT
        politeness = Politeness(
            user_agent,
            FLAGS.requests_per_second,
            obeys_robots=FLAGS.robots,
            public_hosts_only=not FLAGS.local_hosts,
        )
        candidates = _candidates(user_agent)
        crawl = Crawl(Path(FLAGS.out_dir), FLAGS.category, FLAGS.keyword, politeness)
        outcomes = crawl.run(candidates, FLAGS.max_num, FLAGS.num_workers)
        kept = outcomes.pop(KEPT, 0)
        left_out = ", ".join(f"{n} {what}" for what, n in outcomes.most_common())
        print(
            f"{FLAGS.out_dir}/{FLAGS.category}: {kept} photos kept; left out: {left_out or 'none'}"
        )
        if outcomes[NOT_PUBLIC] and not FLAGS.local_hosts:
            print(
                f"{outcomes[NOT_PUBLIC]} addresses are not public ones; --local_hosts allows those "
                "of local networks."
            )


if __name__ == "__main__":
    command_line.run(define_flags, main)
