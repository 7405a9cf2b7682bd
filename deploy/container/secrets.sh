#!/bin/sh
# Makes the secrets of compose.yaml up, once: what is there stays. Nobody but the owner may enter the
# directory; the files themselves can be read, since a container reads them as its own user.
set -eu
cd "$(dirname "$0")"
umask 022
install -d -m 700 secrets
cd secrets

made_up() { head -c 36 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }

[ -f secret_key ] || made_up > secret_key
[ -f database_password ] || made_up > database_password
[ -f redis_password ] || made_up > redis_password
[ -f database_url ] || echo "postgres://zhilian:$(cat database_password)@database:5432/zhilian" > database_url
[ -f broker_url ] || echo "redis://:$(cat redis_password)@redis:6379/1" > broker_url
[ -f redis_conf ] || echo "requirepass $(cat redis_password)" > redis_conf
