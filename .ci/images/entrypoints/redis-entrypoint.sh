#!/bin/sh
# Stand-in for the entry point of the official image: redis-server runs as the user redis.
set -eu
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown redis .
  exec setpriv --reuid redis --regid redis --init-groups "$@" --bind '*' --protected-mode no
fi
exec "$@"
