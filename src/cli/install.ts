/**
 * Copies what castorefs needs to run into a prefix, so that it works after the checkout is gone:
 *
 *   PREFIX/bin/castorefs -> ../lib/castorefs/bin/castorefs
 *   PREFIX/lib/castorefs  launcher, compiled code, production packages, native libraries
 *   PREFIX/share          completion for bash, zsh and fish
 *
 * Run by `make install`, after a build.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

interface LockedPackage {
  /** Only needed to develop. */
  dev?: boolean;
  /** A workspace: node_modules has a symlink to it. */
  link?: boolean;
}

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const argument = process.argv[2];
if (!argument) throw new Error("usage: install.ts PREFIX");
const prefix = resolve(argument);
const home = join(prefix, "lib/castorefs");

rmSync(home, { recursive: true, force: true });
mkdirSync(join(home, "bin"), { recursive: true });
mkdirSync(join(prefix, "bin"), { recursive: true });

for (const file of ["LICENSE", "README.md"]) copyFileSync(join(checkout, file), join(home, file));
installManifest();
copyFileSync(join(checkout, "src/cli/castorefs.sh"), join(home, "bin/castorefs"));
chmodSync(join(home, "bin/castorefs"), 0o755);
copyTree("dist", "dist");
for (const path of productionPackages()) copyTree(path, path);
installWorkspace();

const link = join(prefix, "bin/castorefs");
rmSync(link, { force: true });
symlinkSync("../lib/castorefs/bin/castorefs", link);
installCompletion();
process.stdout.write(`install: ${link}\n`);

/** package.json without what only a checkout needs. */
function installManifest(): void {
  const manifest = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  const { name, version, description, license, type } = manifest;
  const bin = { castorefs: "bin/castorefs" };
  const kept = { name, version, description, license, type, private: true, bin };
  writeFileSync(join(home, "package.json"), `${JSON.stringify(kept, undefined, 2)}\n`);
}

/** Folders in node_modules that npm installed for more than development. */
function productionPackages(): string[] {
  const lock = JSON.parse(readFileSync(join(checkout, "node_modules/.package-lock.json"), "utf8"));
  return Object.entries<LockedPackage>(lock.packages)
    .filter(([path, entry]) => path.startsWith("node_modules/") && !entry.dev && !entry.link)
    .map(([path]) => path)
    .filter((path) => existsSync(join(checkout, path)));
}

/** The workspace ffi/ becomes a package like any other; its sources and tests stay behind. */
function installWorkspace(): void {
  const target = "node_modules/node-vhost-user";
  for (const part of ["package.json", "dist"]) copyTree(join("ffi", part), join(target, part));
  // Where node-vhost-user looks for them first.
  for (const file of ["shim.so", "libvhost-user.so", "layout.json"]) {
    copyTree(join(".cache/native", file), join(target, "native", file));
  }
}

function copyTree(from: string, to: string): void {
  cpSync(join(checkout, from), join(home, to), {
    recursive: true,
    // The packaged Node comes with 68 MB of headers and manuals that nothing here reads.
    filter: (source) =>
      !/\/node_modules\/node-linux-[^/]+\/(include|share)$/.test(source) &&
      !/\.(tsbuildinfo|map|d\.ts)$/.test(source) &&
      basename(source) !== ".tsbuildinfo",
  });
}

function installCompletion(): void {
  const targets: readonly (readonly [shell: string, file: string])[] = [
    ["bash", "share/bash-completion/completions/castorefs"],
    ["zsh", "share/zsh/site-functions/_castorefs"],
    ["fish", "share/fish/vendor_completions.d/castorefs.fish"],
  ];
  for (const [shell, file] of targets) {
    const script = execFileSync(join(home, "bin/castorefs"), ["completion", shell]);
    mkdirSync(dirname(join(prefix, file)), { recursive: true });
    writeFileSync(join(prefix, file), script);
  }
}
