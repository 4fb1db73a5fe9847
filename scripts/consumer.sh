#!/usr/bin/env bash
# Checks which modules an application requires that imports the library. Creates
# a module with a replace directive, as in the README, tidies and builds it, and
# compares the modules of its go.mod with the list below.
set -euo pipefail
cd "$(dirname "$0")/.."

expected='github.com/pebbe/zmq4
github.com/vidgear-go/netgear
github.com/vmihailenco/msgpack/v5
github.com/vmihailenco/tagparser/v2
gocv.io/x/gocv
golang.org/x/crypto
golang.org/x/sys'

module=$(mktemp -d)
trap 'rm -rf "$module"' EXIT
cat >"$module/go.mod" <<END
module example.com/camera

go 1.25

require github.com/vidgear-go/netgear v0.0.0

replace github.com/vidgear-go/netgear => $PWD
END
cat >"$module/main.go" <<'END'
package main

import (
	"fmt"

	"github.com/vidgear-go/netgear"
)

func main() { fmt.Println(netgear.Options{}.Validate()) }
END
export GOWORK=off
go -C "$module" mod tidy
got=$(go -C "$module" mod edit -json |
	python3 -c 'import json, sys; print("\n".join(sorted(r["Path"] for r in json.load(sys.stdin)["Require"])))')
diff <(echo "$expected") <(echo "$got") || {
	echo 'An application that imports the library gets other modules than scripts/consumer.sh lists (<).'
	exit 1
}
go -C "$module" build -tags nogocv -o "$module/camera" .
"$module/camera" | grep -qx '<nil>' || { echo 'the application does not run'; exit 1; }
echo "an application gets these modules: $(echo "$got" | tr '\n' ' ')"
