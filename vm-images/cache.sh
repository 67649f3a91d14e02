# shellcheck shell=sh
# Sourced by the scripts beside it: where built and downloaded things are kept, and how to speak.

IMAGES=$(cd "$(dirname "$0")" && pwd)
# CASTOREFS_VM_CACHE moves the cache, for a machine where the checkout is on a slow disk.
CACHE=${CASTOREFS_VM_CACHE:-$(dirname "$IMAGES")/.cache/vm}
mkdir -p "$CACHE"

# Exit status: something optional is not to be had on this machine.
export NOT_HERE=77

say() { echo "vm-images: $*" >&2; }

# Runs a command as root; fails where that is not to be had without asking, or asking nobody.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    sudo "$@"
  else
    return 1
  fi
}

# The mirror this machine's apt uses for Debian itself; Debian's public name where it has none.
debian_mirror() {
  # shellcheck disable=SC2016 # these are apt's own fields
  uri=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(COMPONENT)' \
    'Created-By: Packages' 2>/dev/null |
    awk '$2 == "Debian" && $3 == "main" && $1 !~ /security/ { print $1; exit }')
  echo "${uri:-http://deb.debian.org/debian}"
}
