#!/usr/bin/env bash
# Sign in, sign out on every device, and see that the token is worth nothing any more.
#
#     AUTHSVC_URL=http://127.0.0.1:8000 EMAIL=... PASSWORD=... examples/curl_logout.sh
set -euo pipefail
: "${AUTHSVC_URL:?}" "${EMAIL:?}" "${PASSWORD:?}"

# curl reads the password and the token from its standard input: the process list shows neither.
login=$(curl -sS "$AUTHSVC_URL/auth/login" -H 'Content-Type: application/json' -d @- <<BODY
{"email": "$EMAIL", "password": "$PASSWORD", "device_name": "${HOSTNAME:-curl}"}
BODY
)
token=$(sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p' <<< "$login")
[ -n "$token" ] || { echo "$login" >&2; exit 1; }

curl -sS -X POST "$AUTHSVC_URL/auth/logout" -H @- <<< "Authorization: Bearer $token"
echo
curl -sS "$AUTHSVC_URL/auth/profile" -H @- <<< "Authorization: Bearer $token"
echo
