#!/usr/bin/env bash
# Starts Caddy for the steps of a job that follow. Those steps have `caddy` in PATH.
# CADDY_FAULT_ADDRESS, for tests, and CADDY_ADMIN, for Caddy, have the address of the
# admin API.
set -euo pipefail

module=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
dir=$RUNNER_TEMP/caddyfault
log=$dir/caddy.log

mkdir -p "$dir/bin"
if [[ -n $BINARY ]]; then
  cp "$BINARY" "$dir/bin/caddy"
else
  CGO_ENABLED=0 go -C "$module" build -buildvcs=false -trimpath -tags=nobadger,nomysql,nopgx -o "$dir/bin/caddy" ./cmd/caddy
fi
# With -q, grep ends at the first match, and Caddy fails if it then writes to the pipe.
if ! "$dir/bin/caddy" list-modules | grep -x http.handlers.fault >/dev/null; then
  echo "::error::the binary ${BINARY:-caddy} does not have the fault modules" >&2
  exit 1
fi

export CADDY_ADMIN=$ADDRESS
if ! "$dir/bin/caddy" start --config "$CADDYFILE" >"$log" 2>&1; then
  cat "$log" >&2
  echo "::error::Caddy does not start with $CADDYFILE" >&2
  exit 1
fi
echo "$dir/bin" >>"$GITHUB_PATH"
printf '%s\n' "CADDY_ADMIN=$ADDRESS" "CADDY_FAULT_ADDRESS=$ADDRESS" >>"$GITHUB_ENV"
printf '%s\n' "address=$ADDRESS" "log=$log" >>"$GITHUB_OUTPUT"
