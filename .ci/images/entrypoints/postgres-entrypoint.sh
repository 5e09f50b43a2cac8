#!/bin/bash
# Stand-in for the entry point of the official image: POSTGRES_USER, POSTGRES_PASSWORD(_FILE), POSTGRES_DB,
# POSTGRES_INITDB_ARGS and /docker-entrypoint-initdb.d are honoured. A temporary server runs the init scripts
# on a socket only, as the official one does.
set -eu
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
[ "$1" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
  : "${POSTGRES_PASSWORD:?POSTGRES_PASSWORD must be set}"
  user=${POSTGRES_USER:-postgres} database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
  # shellcheck disable=SC2086 # a list of options
  initdb -U "$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local=trust \
    --auth-host=scram-sha-256 -E UTF8 --locale=C.UTF-8 ${POSTGRES_INITDB_ARGS:-} >/dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl -w -o "-c listen_addresses=" start >/dev/null
  [ "$database" = postgres ] || psql -qU "$user" -d postgres -v name="$database" <<< 'CREATE DATABASE :"name"'
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) . "$script" ;;
      *.sql) psql -qv ON_ERROR_STOP=1 -U "$user" -d "$database" -f "$script" ;;
    esac
  done
  pg_ctl -m fast -w stop >/dev/null
fi
exec "$@" -c listen_addresses='*'
