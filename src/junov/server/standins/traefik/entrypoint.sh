#!/bin/sh
set -e
case "$1" in
    -*) set -- traefik "$@" ;;
    healthcheck | version) set -- traefik "$@" ;;
esac
exec "$@"
