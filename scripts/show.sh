# show.sh: how tours show statements and their results; to be sourced.

# Runs a statement as somebody at a psql prompt would see it.
show() {
	printf '\ndemo=# %s\n' "$1"
	psql -X -P footer=off -c "$1" 2>&1 || true
}

ask() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"
}

explain() {
	printf '\n-- %s\n' "$@"
}
