#!/usr/bin/env bash
# The official postgres image's interface, as far as junov and its users' compose files need it.
# Starts as root, hands PGDATA to postgres, initialises it once behind a Unix socket, and then
# becomes the server.
set -Eeuo pipefail
shopt -s nullglob

fail() {
    printf 'postgres: %s\n' "$1" >&2
    exit 1
}

# The value of NAME, or of the file that NAME_FILE points at, or a default.
setting() {
    local name=$1 file_name="$1_FILE" default=${2:-}
    local value=${!name:-} file=${!file_name:-}
    [[ -z $value || -z $file ]] || fail "$name and $file_name are both set; set one of them"
    if [[ -n $file ]]; then value=$(<"$file"); fi
    export "$name=${value:-$default}"
    unset "$file_name"
}

initialise() {
    local -a arguments
    eval "arguments=(${POSTGRES_INITDB_ARGS:-})"
    if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
        arguments+=(--waldir "$POSTGRES_INITDB_WALDIR")
    fi
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
        "${arguments[@]}"
    local method=${POSTGRES_HOST_AUTH_METHOD:-}
    printf '\nhost all all all %s\n' "${method:-$(postgres -C password_encryption)}" \
        >>"$PGDATA/pg_hba.conf"
}

query() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc \
        --username "$POSTGRES_USER" "$@"
}

run_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        printf 'postgres: running %s\n' "$script"
        case $script in
            *.sh)
                if [[ -x $script ]]; then
                    "$script"
                else
                    # shellcheck disable=SC1090
                    . "$script"
                fi
                ;;
            *.sql) query --dbname "$POSTGRES_DB" --file "$script" ;;
            *.sql.gz) gunzip -c "$script" | query --dbname "$POSTGRES_DB" ;;
            *.sql.xz) xz -dc "$script" | query --dbname "$POSTGRES_DB" ;;
            *) printf 'postgres: not a script, ignored: %s\n' "$script" ;;
        esac
    done
}

# The arguments are the server's own, so that `-c shared_preload_libraries=…` counts here as well.
first_start() {
    [[ -n $POSTGRES_PASSWORD || ${POSTGRES_HOST_AUTH_METHOD:-} == trust ]] ||
        fail "the database is not initialised and POSTGRES_PASSWORD is not set"
    initialise
    export PGPASSWORD=$POSTGRES_PASSWORD
    # Nobody may take this server for the real one: no TCP until every script has run.
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -w start \
        -o "$(printf '%q ' "$@" -c "listen_addresses=" -p "${PGPORT:-5432}")"
    if [[ $POSTGRES_DB != postgres ]]; then
        # The name goes in as a variable and is quoted by psql, whatever it is.
        query --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    run_scripts
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

if [[ ${1:-} == -* ]]; then set -- postgres "$@"; fi

if [[ ${1:-} == postgres ]]; then
    if [[ $(id -u) == 0 ]]; then
        # Read while still root: the file may be closed to everybody else.
        setting POSTGRES_PASSWORD
        mkdir -p "$PGDATA" /var/run/postgresql
        chmod 3777 /var/run/postgresql
        chmod 700 "$PGDATA"
        find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
        exec setpriv --reuid=postgres --regid=postgres --init-groups \
            env HOME=/var/lib/postgresql "${BASH_SOURCE[0]}" "$@"
    fi
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS
    if [[ -s $PGDATA/PG_VERSION ]]; then
        printf 'PostgreSQL Database directory appears to contain a database; Skipping initialization\n'
    else
        first_start "${@:2}"
    fi
    unset POSTGRES_PASSWORD
fi

exec "$@"
