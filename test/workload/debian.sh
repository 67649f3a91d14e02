#!/bin/bash
# Programs of Debian that use a file system hard, one after another, below the current directory:
#
#   debian.sh WORKLOAD...      copies git make sqlite fio stress install
#
# Each ends with a line "ok NAME SECONDS" or "not ok NAME"; what it said comes before a "not ok".
# SCALE (1 by default) is how often or how long. Exit code: how many failed.
set -u
scale=${SCALE:-1}
export HOME=$PWD LC_ALL=C TMPDIR=$PWD

# What was written a moment ago, holes and all, is what cp, tar and sparse copies find.
copies() {
  mkdir -p copies && cd copies || return
  for round in $(seq $((3 * scale))); do
    truncate -s 1M sparse && dd if=/dev/urandom of=sparse bs=4k count=3 seek=$((round * 7)) conv=notrunc
    cp sparse copied && cmp sparse copied && cp --sparse=always sparse thin && cmp sparse thin || return
    cp --reflink=auto sparse linked && cmp sparse linked && mv linked moved && cmp sparse moved || return
    tar -cSf archive.tar sparse && tar -xOf archive.tar sparse | cmp - sparse || return
    rm sparse copied thin moved archive.tar
  done
  cp -a /usr/include/linux headers && diff -r /usr/include/linux headers && rm -r headers &&
    [ -z "$(ls)" ]
}

git_clone() {
  git config --global user.email guest@example.org && git config --global user.name guest
  git config --global init.defaultBranch main && git config --global gc.auto 0
  mkdir git && cd git && git init -q origin && cp -r /usr/include/linux origin/ || return
  (cd origin && git add . && git commit -q -m first) || return
  for round in $(seq "$scale"); do
    (cd origin && find linux -name '*b*.h' -exec sed -i "1i // $round" {} + &&
      git mv linux "linux-$round" && git mv "linux-$round" linux && git commit -q -a -m "$round")
  done
  git clone -q origin local && git clone -q --no-local origin copied || return
  (cd copied && git checkout -q -b other HEAD~1 && git checkout -q main && git gc -q) || return
  for tree in origin local copied; do
    git -C "$tree" fsck --full --strict || return
    [ -z "$(git -C "$tree" status --porcelain)" ] || return
  done
  diff -r --exclude=.git origin local && diff -r --exclude=.git origin copied
}

make_project() {
  mkdir -p make && cd make || return
  parts=$((4 * scale))
  for i in $(seq "$parts"); do
    printf '#include "all.h"\n#include <stdio.h>\nint part%d(int x) { return x * %d; }\n' "$i" "$i" >"part$i.c"
    echo "int part$i(int x);" >>all.h
    echo " + part$i(1)" >>main.body
  done
  { echo '#include "all.h"'; echo "int main(void) { return 0"; cat main.body; echo " - $((parts * (parts + 1) / 2)); }"; } >main.c
  printf 'objects = $(patsubst %%.c,%%.o,$(wildcard *.c))\nprogram: $(objects)\n\tgcc -o $@ $^\n%%.o: %%.c all.h\n\tgcc -c -o $@ $<\n' >Makefile
  make -j2 && ./program || return
  [ "$(make | grep -c gcc)" = 0 ] || return
  sleep 0.01
  touch part1.c
  [ "$(make | grep -c 'gcc -c')" = 1 ] && ./program
}

# Every journal mode, two writers at once, one that is killed again and again in the middle.
sqlite_torture() {
  mkdir -p sqlite && cd sqlite || return
  for mode in delete truncate persist wal; do
    db=$mode.db
    sqlite3 "$db" "pragma journal_mode=$mode; create table t(id integer primary key, writer, body);
      create index by_body on t(body); create table total(n); insert into total values(0);" || return
    write() { # write WRITER ROUNDS
      for round in $(seq "$2"); do
        sqlite3 -cmd '.timeout 60000' "$db" "begin immediate;
          insert into t(writer, body) select $1, randomblob(1 + abs(random()) % 6000)
            from (select 1 union select 2 union select 3 union select 4);
          update t set body = randomblob(300) where id % 7 = $round % 7 and writer = $1;
          update total set n = n + 4; commit;" || return
      done
    }
    write 1 $((5 * scale)) & first=$!
    write 2 $((5 * scale)) & second=$!
    wait $first && wait $second || return
    for round in $(seq $((2 * scale))); do
      (exec sqlite3 -cmd '.timeout 60000' "$db" "pragma cache_size=10; begin immediate;
        insert into t(writer, body) with recursive many(i) as (select 1 union all select i + 1
          from many where i < 100000) select 3, randomblob(2000) from many; commit;") &
      killed=$!
      sleep 0.3
      kill -9 $killed
      wait $killed 2>/dev/null
    done
    whole=$(sqlite3 -cmd '.timeout 60000' "$db" "pragma integrity_check;
      select (select count(*) from t where writer in (1, 2)) = (select n from total);
      delete from t where id % 2; vacuum; pragma integrity_check;")
    [ "$(echo $whole)" = "ok 1 ok" ] || { echo "$mode: $whole"; return 1; }
  done
}

fio_verify() {
  mkdir -p fio && cd fio || return
  cat >jobs <<JOBS
[global]
size=$((scale))m
verify=crc32c
verify_fatal=1
do_verify=1
verify_state_save=0
group_reporting=1
[random]
ioengine=psync
rw=randwrite
bs=4k
fsync=32
[sequential]
stonewall
ioengine=psync
rw=write
bs=128k
end_fsync=1
[direct]
stonewall
ioengine=libaio
iodepth=16
direct=1
rw=randwrite
bsrange=4k-64k
[mapped]
stonewall
ioengine=mmap
rw=randwrite
bs=4k
fsync=64
[mixed]
stonewall
ioengine=psync
rw=randrw
bsrange=1k-32k
bs_unaligned=1
fdatasync=64
[synchronous]
stonewall
ioengine=psync
sync=1
size=128k
rw=randwrite
bs=4k
JOBS
  fio --minimal jobs >out 2>&1 || { cat out; return 1; }
  ! grep -i 'verify.*fail\|err=' out
}

# What stress-ng has for files, a second each and more by SCALE; --verify has it look at what it did.
stress() {
  mkdir -p stress && cd stress || return
  stress_failed=0
  for stressor in access chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dup fallocate \
    fcntl fiemap file-ioctl filename flock fpunch fsize fstat getdent handle hdd inode-flags inotify \
    io iomix lease link locka lockf lockofd mknod mmapfork open readahead rename revio seek sendfile \
    splice symlink sync-file touch utime verity xattr; do
    out=$(stress-ng --temp-path . --hdd-bytes 4m --iomix-bytes 8m --fallocate-bytes 8m \
      --seek-size 4m --copy-file-bytes 128m --sync-file-bytes 8m --sendfile-size 1m \
      --readahead-bytes 8m --verify --timeout "$scale" --"$stressor" 1 2>&1)
    status=$?
    # 3, 4: not to be had on this machine or kernel
    case $status in
      0) ;;
      3 | 4) echo "stress: no $stressor here" ;;
      *) echo "$out"; echo "stress: $stressor: status $status"; stress_failed=1 ;;
    esac
    ! grep -q 'fail:' <<<"$out" || { echo "$out"; stress_failed=1; }
  done
  return $stress_failed
}

install_packages() {
  apt-get install -q -y -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 /packages/*.deb ||
    return
  [ "$(hello)" = "Hello, world!" ] && [ "$(echo '{"a":[1,2]}' | jq -c '.a | add')" = 3 ] || return
  [ -z "$(dpkg --audit)" ] && dpkg --verify hello jq && apt-get remove -q -y hello && ! command -v hello
}

failed=0
for workload in "$@"; do
  case $workload in
    git) action=git_clone ;;
    make) action=make_project ;;
    sqlite) action=sqlite_torture ;;
    install) action=install_packages ;;
    fio) action=fio_verify ;;
    *) action=$workload ;;
  esac
  read -r before _ </proc/uptime
  if said=$($action 2>&1); then
    read -r after _ </proc/uptime
    grep '^stress: no ' <<<"$said"
    echo "ok $workload $(awk "BEGIN { print $after - $before }")"
  else
    echo "$said"
    echo "not ok $workload"
    failed=$((failed + 1))
  fi
done
exit $failed
