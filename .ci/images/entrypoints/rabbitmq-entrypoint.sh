#!/bin/sh
# Stand-in for the entry point of the official image: RABBITMQ_DEFAULT_USER, _PASS and _VHOST are honoured.
set -eu
if [ "$1" = rabbitmq-server ] && [ "$(id -u)" = 0 ]; then
  umask 077
  {
    echo "listeners.tcp.default = 5672"
    echo "default_user = ${RABBITMQ_DEFAULT_USER:-guest}"
    echo "default_pass = ${RABBITMQ_DEFAULT_PASS:-guest}"
    echo "default_vhost = ${RABBITMQ_DEFAULT_VHOST:-/}"
    echo "log.console = true"
    echo "log.file = false"
  } > /etc/rabbitmq/rabbitmq.conf
  chown -R rabbitmq /etc/rabbitmq /var/lib/rabbitmq
  unset RABBITMQ_DEFAULT_USER RABBITMQ_DEFAULT_PASS RABBITMQ_DEFAULT_VHOST
  exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups /usr/lib/rabbitmq/bin/rabbitmq-server
fi
exec "$@"
