#!/usr/bin/env bash
# Writes what clients did after the faults: to the summary of the job, and as JUnit XML.
# It writes the journal and stops Caddy. With FAIL_ON, it exits with 2 if clients have
# such a finding, or if there is no evidence.
set -euo pipefail

if [[ -z ${CADDY_FAULT_ADDRESS:-} ]]; then
  echo "::error::Caddy was not started: use the action caddyfault in an earlier step" >&2
  exit 1
fi
trap 'caddy stop --address "$CADDY_FAULT_ADDRESS"' EXIT

{
  echo "## Clients after injected faults"
  echo
  caddy fault clients --address "$CADDY_FAULT_ADDRESS" --markdown
} >>"$GITHUB_STEP_SUMMARY"
curl -sSf -o "$JOURNAL" "http://$CADDY_FAULT_ADDRESS/fault/journal"
caddy fault clients --address "$CADDY_FAULT_ADDRESS" --junit -o "$JUNIT" ${FAIL_ON:+--fail-on "$FAIL_ON"}
