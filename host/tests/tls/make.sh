#!/bin/sh
# Makes the certificates that the courier's tests send with and to: an authority, a server and a client of it, and a
# client that it does not know. They guard nothing, and both authorities' keys are thrown away.
set -eu
cd "$(dirname "$0")"
rest=$(mktemp -d)
trap 'rm -rf "$rest"' EXIT

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

authority() { # FILE, NAME
  key "$rest/$1.key"
  openssl req -x509 -new -key "$rest/$1.key" -subj "/CN=$2" -days 36500 -out "$rest/$1.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

signed() { # FILE, AUTHORITY, NAME, EXTENSION
  key "$1.key"
  printf 'basicConstraints=critical,CA:FALSE\n%s\n' "$4" > "$rest/extensions"
  openssl req -new -key "$1.key" -subj "/CN=$3" |
    openssl x509 -req -CA "$rest/$2.pem" -CAkey "$rest/$2.key" -CAcreateserial -days 36500 \
      -extfile "$rest/extensions" -out "$1.pem"
}

authority ca "pushgate test authority of destinations"
authority other "another test authority"
signed server ca localhost "subjectAltName=DNS:localhost,IP:127.0.0.1"
signed client ca "pushgate test client" "extendedKeyUsage=clientAuth"
signed stranger other "a stranger" "extendedKeyUsage=clientAuth"
cp "$rest/ca.pem" ca.pem
