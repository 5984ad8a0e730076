import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createProgram, launcherArch, launcherExecutable, reportExecutions, type SystemCall } from "@varve/sandbox";
import { expect, it } from "vitest";
import { busyboxEntries, fixtureRoot } from "./runner.fixture.ts";
import { describeRungs, ORDINARY } from "./rung.fixture.ts";

const CLONE_NEWUSER = 0x1000_0000;

describeRungs("a step's world", (rung) => {
  const { one, isolated, proc } = rung;

  it.runIf(proc)("hands no descriptor on but the standard ones", async () => {
    const { stdout } = await rung.run("for n in $(seq 0 99); do [ -e /proc/self/fd/$n ] && echo $n; done; true");
    expect(stdout).toBe("0\n1\n2\n");
  });

  it.runIf(isolated)("lets no device be opened that the step made", async () => {
    const { stdout } = await rung.run("mknod /n c 1 3 2>/dev/null; cat /n 2>/dev/null && echo opened; cat /dev/null && echo fine");
    expect(stdout).toBe("fine\n");
  });

  it("keeps its mount targets out of the layer, whatever the image has there", async () => {
    const bare = fixtureRoot(busyboxEntries().filter(({ path }) => !/^(dev|proc|sys|etc|etc\/.*)$/.test(path)));
    expect(
      (
        await rung.run(
          `cat /etc/hosts; test -c /dev/null && ${proc ? "test -d /proc/1 && test -d /sys/class" : "test -d /proc && test -d /sys"} && echo complete`,
          {},
          bare,
        )
      ).stdout,
    ).toContain("complete\n");
    expect((await rung.run("true", {}, bare)).listing).toEqual([]);
    expect((await rung.run("echo x > /etc/mine; chmod 600 /etc/resolv.conf", {}, bare)).listing).toEqual([
      "added etc: directory 755 0:0",
      'added etc/mine: file 644 0:0 "x\\n"',
    ]);
  });

  it("is not led out of the root by symlinks where mounts go", async () => {
    const canary = join(rung.home, "canary");
    writeFileSync(canary, "untouched");
    const hostile = fixtureRoot([
      ...busyboxEntries().filter(({ path }) => !["dev", "proc", "sys"].includes(path)),
      { path: "dev", type: "symlink", target: "../../../../../../../../etc" },
      { path: "proc", type: "symlink", target: "/etc" },
      { path: "sys", type: "symlink", target: rung.home },
      { path: "etc/resolv.conf", type: "symlink", target: "../run/resolve/stub.conf" },
      { path: "etc/hosts", type: "symlink", target: `../../../../../..${canary}` },
    ]);
    const { stdout, listing } = await rung.run(
      `head -1 /etc/hosts; test -c /dev/null && ${proc ? "test -e /proc/self/status && test -d /sys/class" : "test -d /proc && test -d /sys"} && echo real; readlink /etc/resolv.conf; ls -d /run/resolve`,
      {},
      hostile,
    );
    expect(stdout).toBe("127.0.0.1\tlocalhost buildkitsandbox\nreal\n../run/resolve/stub.conf\n/run/resolve\n");
    expect(listing).toEqual([]);
  });

  it("has its own files where the image has devices, also where devices can't be made", async () => {
    const devices = ["etc/hosts", "etc/resolv.conf"].map((path) => ({ path, type: "char" as const }));
    const root = fixtureRoot([...busyboxEntries().filter(({ path }) => !path.startsWith("etc/host")), ...devices]);
    const { stdout, listing } = await rung.run("head -1 /etc/hosts; test -f /etc/resolv.conf && echo file", {}, root);
    expect({ stdout, listing }).toEqual({ stdout: "127.0.0.1\tlocalhost buildkitsandbox\nfile\n", listing: [] });
  });

  it("cannot leave its root, or see or write the host's", async () => {
    const { stdout } = await rung.run(
      "mkdir /x; chroot /x /bin/true 2>/dev/null; ls / | grep -c varve; echo 1 > /proc/sys/kernel/hostname; echo b > /proc/sysrq-trigger; mount -t tmpfs none /mnt; umount /proc/sys; ps | wc -l; mkdir /sys/fs/cgroup/x; true",
    );
    expect(stdout).toMatch(isolated ? /^0\n\d\n$/ : /^0\n\d+\n$/);
  });

  it.runIf(isolated)("cannot climb out of its root by chroot, nor mount, unmount or join a namespace", async () => {
    const canary = join(rung.home, "outside");
    writeFileSync(canary, "reached");
    if (one) chownSync(canary, ORDINARY, ORDINARY);
    // the image brings a launcher of its own, which makes any system calls
    const attack = createProgram(launcherArch());
    const { results, send } = reportExecutions(attack, 8);
    const call = (i: number, name: SystemCall, ...args: Parameters<typeof attack.call> extends readonly [unknown, unknown, ...infer A] ? A : never): void =>
      attack.call({ label: name, onError: "ignore", result: results[i] ?? { address: 0 } }, name, ...args);
    call(0, "openat", -100, attack.string("/"), 0);
    call(1, "mkdirat", -100, attack.string("/cell"), 0o755);
    call(1, "chroot", attack.string("/cell"));
    call(2, "fchdir", 4);
    for (let i = 0; i < 40; i++) call(2, "chdir", attack.string(".."));
    call(2, "chroot", attack.string("."));
    call(2, "openat", -100, attack.string(canary), 0);
    call(3, "mount", attack.string("tmpfs"), attack.string("/"), attack.string("tmpfs"), 0, 0);
    call(4, "umount2", attack.string("/proc"), 2);
    call(5, "setns", 4, 0);
    call(6, "unshare", CLONE_NEWUSER);
    call(7, "keyctl", 1, 0);
    send();
    const hostile = fixtureRoot([
      ...busyboxEntries(),
      { path: "attack", mode: 0o755, content: launcherExecutable(launcherArch()) },
      { path: "program", content: attack.finish().bytes },
    ]);
    const { stdout } = await rung.run("/attack 3>/tmp/report 4</program; od -An -v -t d8 /tmp/report", {}, hostile);
    const values = stdout.trim().split(/\s+/).map(Number).slice(2);
    // opened, chroot as Docker allows, and then: no such file, and nothing else permitted
    expect(values).toEqual([4, 0, -2, -1, -1, -1, -1, -1]);
  });

  it.runIf(isolated)("gives an insecure step what its place has", async () => {
    const script = "mount -t tmpfs none /mnt 2>/dev/null || (mkdir /mnt && mount -t tmpfs none /mnt); grep -c ' /mnt ' /proc/self/mounts";
    expect((await rung.run(script)).stdout).toBe("0\n");
    expect((await rung.run(script, { insecure: true })).stdout).toBe("1\n");
  });

  it.runIf(isolated)("separates the network when asked", async () => {
    const { stdout } = await rung.run("cd /sys/class/net; ls; cat /sys/class/net/lo/flags", { network: "none" });
    expect(stdout).toBe("lo\n0x9\n");
  });
});
