import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { busyboxEntries, type FixtureEntry, fixtureRoot, type FixtureRoot } from "../../packages/snapshot/src/runner.fixture.ts";
import { describeRungs } from "../../packages/snapshot/src/rung.fixture.ts";

/**
 * What a hostile step tries: a shell command that succeeds when it got what it wanted. `$H` is a directory of the host. Patterns are
 * written so that they don't match themselves.
 */
const ATTEMPTS: Readonly<Record<string, string>> = {
  "see the host's files": "ls -d $H",
  "see them through another process's root": "for p in /proc/[0-9]*; do ls -d $p/root$H && exit 0; done; false",
  "see them through a working directory": "for p in /proc/[0-9]*; do ls -d $p/cwd$H && exit 0; done; false",
  "read its parent's environment": "grep -q . /proc/$PPID/environ",
  "find the builder's environment": "cat /proc/[0-9]*/environ | grep -a VARVE_HOSTIL[E]_TEST",
  "find the builder's command line": "cat /proc/[0-9]*/cmdline | grep -a helper[.]js",
  "see more processes than its own": "[ $(ls -d /proc/[0-9]* | wc -l) -gt 6 ]",
  "find a descriptor of the builder": "ls -l /proc/1/fd | grep -E 'socket|memfd|varve-launcher|anon_inode'",
  "set what the kernel runs on a crash": "cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern",
  "forward packets": "cat /proc/sys/net/ipv4/ip_forward > /proc/sys/net/ipv4/ip_forward",
  "drop the kernel's caches": "echo 1 > /proc/sys/vm/drop_caches",
  "use the magic key": "[ -e /proc/sys/kernel ] && echo h > /proc/sysrq-trigger",
  "be spared when memory ends": "echo -1000 > /proc/self/oom_score_adj",
  "read the kernel's memory": "[ $(head -c 10 /proc/kcore | wc -c) -gt 0 ]",
  "read the kernel's keys": "grep -q . /proc/keys",
  "read the kernel's timers": "grep -q . /proc/timer_list",
  "see the firmware": "ls /sys/firmware | grep -q .",
  "read the kernel's log": "dmesg | grep -q .",
  "trace the kernel": "ls /sys/kernel/tracing | grep -q . || ls /sys/kernel/debug | grep -q .",
  "make a control group": "mkdir /sys/fs/cgroup/varve-hostile || mkdir /sys/fs/cgroup/memory/varve-hostile",
  "change a network device": "cat /sys/class/net/lo/mtu > /sys/class/net/lo/mtu",
  "add a network device": "ip link add varve0 type dummy",
  "open a disk it made a node for": "mknod /disk b 7 0; head -c 1 /disk",
  "open memory it made a node for": "mknod /memory c 1 1; head -c 1 /memory",
  "open a device it made in /dev": "mknod /dev/z c 1 5; head -c 1 /dev/z | grep -q .",
  "find a disk": "ls /dev | grep -E '^(sd|vd|nvme|loop|mem|kmsg|fuse|net)'",
  "mount memory": "mount -t tmpfs t /mnt",
  "mount a new /proc": "mount -t proc p /mnt",
  "mount a new /sys": "mount -t sysfs s /mnt",
  "mount control groups": "mount -t cgroup2 c /mnt || mount -t cgroup c /mnt",
  "mount an overlay": "mount -t overlay o -o lowerdir=/etc:/bin /mnt",
  "bind the root elsewhere": "mount --bind / /mnt",
  "make /proc/sys writable": "mount -o remount,rw /proc/sys",
  "uncover /proc/sys": "umount /proc/sys",
  "uncover a masked file": "umount /proc/kcore",
  "uncover what is below /dev": "umount -l /dev",
  "change the root": "pivot_root /mnt /mnt",
  "make a user namespace": "unshare -U true",
  "make a mount namespace": "unshare -m true",
  "make a network namespace": "unshare -n true",
  "enter another's namespaces": "nsenter -t 1 -m true",
  "rename the machine": "hostname evil",
  "set the clock": '! date -s "$(date +%Y-%m-%d\\ %H:%M:%S)" 2>&1 | grep -q set',
  "load a module": "insmod /etc/passwd 2>&1 | grep -i format",
  "add swap": "mkswap /etc/group && swapon /etc/group",
  "raise its priority": "nice -n -5 true 2>&1 | grep -v . && [ $(nice -n -5 nice) = -5 ]",
  "raise a limit": "ulimit -Hn 20000000",
};

/** What succeeds at most on the rungs that do not isolate; docs/sandboxes.md tells it. `proot` only pretends to rename the machine. */
const LEAKS: Readonly<Record<string, readonly string[]>> = {
  chroot: ["open a disk it made a node for", "open a device it made in /dev"],
  proot: [
    "read its parent's environment",
    "find the builder's command line",
    "see more processes than its own",
    "see the firmware",
    // on a machine where something has made some
    "read the kernel's keys",
    "make a user namespace",
    "make a mount namespace",
    "make a network namespace",
    "rename the machine",
  ],
};

process.env["VARVE_HOSTILE_TEST"] = "the builder's own";

/** Programs of the host that rungs use, as the image would have them. */
const TROJANS = ["newuidmap", "newgidmap", "runc", "crun", "bwrap", "mount", "unshare", "setpriv", "node", "chroot", "proot"];

function withImage(...more: readonly FixtureEntry[]): FixtureRoot {
  const replaced = new Set(more.map(({ path }) => path));
  return fixtureRoot([...busyboxEntries().filter(({ path }) => !replaced.has(path)), { path: "mnt", type: "directory" }, ...more]);
}

describeRungs("a hostile step", (rung) => {
  const canary = (): string => join(rung.home, "canary");
  beforeAll(() => {
    writeFileSync(canary(), "untouched", { mode: 0o666 });
    chmodSync(canary(), 0o666);
  });

  it(rung.isolated ? "gets none of what it tries" : "gets no more of what it tries than is told", async () => {
    const script = Object.entries(ATTEMPTS).map(([name, command]) => `(${command}) > /dev/null 2>&1 && echo "${name}"`);
    const { stdout, exitCode } = await rung.run(`H=${rung.home}; ${script.join("\n")}\necho over`, {}, withImage());
    const got = stdout.split("\n").slice(0, -2);
    expect(got.filter((name) => LEAKS[rung.rung]?.includes(name) !== true)).toEqual([]);
    expect(stdout).toMatch(/over\n$/);
    expect(exitCode).toBe(0);
    expect(readFileSync(canary(), "utf8")).toBe("untouched");
  });

  it("runs no program of the image outside", async () => {
    const trojan = "#!/bin/sh\necho ran >> /trojan\n";
    const directories = ["usr/local", "usr/local/bin", "usr/local/sbin"].map((path) => ({ path, type: "directory" as const }));
    const places = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"];
    const root = withImage(...directories, ...places.flatMap((place) => TROJANS.map((name) => ({ path: `${place}/${name}`, mode: 0o755, content: trojan }))));
    expect(await rung.run("echo fine", { user: { uid: 5, gid: 5, groups: [] } }, root)).toMatchObject({ stdout: "fine\n", listing: [] });
    expect(existsSync("/trojan")).toBe(false);
  });

  it("is given whatever environment its image has, which reaches nobody else", async () => {
    const env = ["PATH=/usr/bin", "NODE_OPTIONS=--require=/evil.js", "LD_PRELOAD=/evil.so", "=x", "B", "A\nB=1", "\u0001=\u0002", "HOME=$(id)", "ENV=/evil"];
    const { stdout, exitCode } = await rung.run("", { args: ["env"], env }, withImage({ path: "evil.js", content: "process.exit(9)" }));
    expect({ stdout, exitCode }).toEqual({ stdout: `${env.join("\n")}\n`, exitCode: 0 });
  });

  it("makes its working directory inside the root, whatever leads to it", async () => {
    const root = withImage({ path: "out", type: "symlink", target: rung.home }, { path: "up", type: "symlink", target: "../../../../../../../.." });
    await rung.run("echo x > f", { cwd: "/out/made" }, root).catch(() => undefined);
    await rung.run("echo x > f", { cwd: `/up${rung.home}/made` }, root).catch(() => undefined);
    expect(readdirSync(rung.home)).not.toContain("made");
  });

  it("leaves no process, however it hides", async () => {
    const marker = String(7_000_000 + Math.floor(Math.random() * 1_000_000));
    const script = [
      `(trap '' TERM HUP INT; sleep ${marker} & wait) &`,
      `setsid sh -c "setsid sleep ${marker} & setsid sleep ${marker} &" &`,
      `nohup sleep ${marker} > /dev/null 2>&1 < /dev/null &`,
      `cd /tmp; (while :; do sleep ${marker}; done) > /dev/null 2>&1 & sleep 0.1`,
    ];
    await rung.run(script.join("\n"));
    const left = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(marker));
    expect(left).toEqual([]);
  });

  it("puts nothing in the place of a mount's target", async () => {
    const secret = { kind: "file", target: "/run/secrets/token", content: Buffer.from("hunter2"), mode: 0o444, uid: 0, gid: 0 } as const;
    const swap = "rm -rf /run/secrets; rm -f /etc/hosts; mv /etc/resolv.conf /etc/moved; ln -s /etc/passwd /etc/resolv.conf; mount; true";
    const { listing } = await rung.run(swap, { mounts: [secret] }, withImage());
    expect(JSON.stringify(listing)).not.toContain("hunter2");
    expect(listing.filter((line) => line.includes("secrets") || line.includes("etc/hosts"))).toEqual([]);
  });
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    // ended meanwhile
    return "";
  }
}
