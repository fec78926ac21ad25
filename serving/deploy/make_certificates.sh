#!/usr/bin/env bash
# make_certificates.sh DIR HOST...: certificates of your own for a server and its clients.
#
# Writes DIR/{ca,server,client}.{key,crt} and DIR/ssl.config, which TensorFlow Serving reads with
# --ssl_config_file. HOST is each name or address by which clients call the server. Keys are
# readable by their owner alone; ca.key signs further clients and need not lie on the server.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 DIR HOST..." >&2; exit 1; }
dir=$1; shift
mkdir -p "$dir"; umask 077; cd "$dir"
names=
for host in "$@"; do
  if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi
done
new_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
sign() { # NAME EXTENSIONS
  openssl req -new -key "$1.key" -subj "/CN=$1" |
    openssl x509 -req -CA ca.crt -CAkey ca.key -days 825 -out "$1.crt" -extfile <(echo "$2") 2>/dev/null
}
new_key ca
openssl req -x509 -new -key ca.key -days 3650 -subj "/CN=fashion serving CA" -out ca.crt \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
new_key server
sign server "subjectAltName=${names#,}
extendedKeyUsage=serverAuth"
new_key client
sign client "extendedKeyUsage=clientAuth"
line() { awk '{printf "%s\\n", $0}' "$1"; }
cat > ssl.config <<END
server_key: "$(line server.key)"
server_cert: "$(line server.crt)"
custom_ca: "$(line ca.crt)"
client_verify: true
END
echo "wrote $PWD/{ca,server,client}.{key,crt} and ssl.config"
