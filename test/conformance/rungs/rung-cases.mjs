// Dockerfiles whose results must be the same on every rung, as data: plain JavaScript, since they are also built by other users and Nodes in jails.
// `apart`: what tells of supplementary groups, which rungs with one id don't have. `owners: true`: the steps give files to other users, which rungs with one id can't keep.

const RUN = (...lines) => lines.map((line) => `RUN ${line}`).join("\n");

/** On the busybox base `bb`. */
export const SMALL_CASES = [
  { name: "write", dockerfile: "RUN echo one > /one && mkdir -p /a/b && echo two > /a/b/two" },
  { name: "append to a file of the base", dockerfile: "RUN echo more >> /etc/motd" },
  { name: "the same bytes again", dockerfile: "RUN cat /etc/motd > /tmp/m && cat /tmp/m > /etc/motd && touch -d '2020-01-01 00:00:00' /etc/motd && rm /tmp/m" },
  { name: "mode alone", dockerfile: "RUN chmod 0600 /etc/motd && chmod 4755 /bin/tool && chmod 1777 /srv/dir" },
  { name: "owner alone", dockerfile: "RUN chown 12:34 /etc/motd && chown -h 5:6 /srv/link", owners: true },
  { name: "time alone", dockerfile: "RUN touch -d '2001-02-03 04:05:06' /srv/dir/deep/file" },
  { name: "remove files and directories", dockerfile: "RUN rm /etc/motd && rm -rf /srv/dir" },
  { name: "remove and make again", dockerfile: "RUN rm -rf /srv/dir && mkdir /srv/dir && echo new > /srv/dir/only" },
  { name: "a file where a directory was", dockerfile: "RUN rm -rf /srv/dir && echo file > /srv/dir" },
  { name: "a directory where a file was", dockerfile: "RUN rm /etc/motd && mkdir /etc/motd && echo x > /etc/motd/x" },
  { name: "a directory renamed", dockerfile: "RUN mv /srv/dir /srv/moved && mv /srv/moved/deep /srv/deep" },
  { name: "links", dockerfile: "RUN ln -s ../etc/motd /srv/up && ln -sf nowhere /srv/link && ln /etc/motd /srv/hard && ln /srv/hard /srv/hard2" },
  { name: "half of a hardlink written", dockerfile: RUN("ln /srv/dir/deep/file /srv/twin", "echo changed > /srv/twin.new && mv /srv/twin.new /srv/twin") },
  { name: "half of a hardlink written in place", dockerfile: RUN("ln /srv/dir/deep/file /srv/twin", "echo more >> /srv/twin", "chmod 4755 /srv/twin") },
  {
    name: "fifos, and names of every kind",
    dockerfile: "RUN mkfifo /srv/fifo && touch '/srv/a b' '/srv/-x' \"/srv/$(printf '\\303\\244')\" \"/srv/$(printf '\\377')\" '/srv/.wh-x'",
  },
  {
    name: "several steps on one another",
    dockerfile: RUN("echo 1 > /n && mkdir /d && touch /d/1", "rm /n && touch /d/2", "rm -r /d && echo 3 > /n", "test ! -e /d && cat /n > /copy"),
  },
  {
    name: "two stages from one parent",
    dockerfile: RUN("echo base > /b") + "\nFROM bb AS other\nRUN echo other > /o\nFROM bb\nRUN echo final > /f\nCOPY --from=other /o /o\nCOPY --from=0 /b /b",
  },
  {
    name: "the world of a step",
    dockerfile:
      "ENV E=1\nARG A=2\nWORKDIR /made/deep\nRUN env | grep -v -e ^SHLVL= -e ^_= | sort > env && pwd > pwd && umask > umask && cat < /dev/null | wc -c > stdin && (read x; echo $?) > read",
  },
  {
    name: "hosts and resolv.conf stay out",
    dockerfile: "RUN cat /etc/hosts > /dev/null; cat /etc/resolv.conf > /dev/null; ls -A /etc > /listing; test -w /etc/hosts",
  },
  {
    name: "devices",
    dockerfile: "RUN echo x > /dev/null && head -c 3 /dev/zero | wc -c > /z && head -c 4 /dev/urandom | wc -c > /u && mkdir -p /dev/shm && echo y > /dev/shm/y",
  },
  { name: "another user", dockerfile: "USER 1234:56\nWORKDIR /home/w\nRUN id -u > /tmp/u && id -g > /tmp/g && touch /tmp/mine", owners: true },
  {
    name: "a user of the image with groups",
    dockerfile: "USER ada\nRUN id -un > /tmp/n && id -G > /tmp/g && echo $HOME > /tmp/h",
    owners: true,
    apart: ["tmp/g"],
  },
  {
    name: "what is left running",
    dockerfile: RUN(
      "(sleep 30; echo late > /late) & echo started > /started",
      "sleep 1; test ! -e /late",
      "setsid sh -c 'trap \"\" TERM HUP; sleep 30; echo late > /late' & echo ok > /ok",
      "test ! -e /late",
    ),
  },
  {
    name: "shells and heredocs",
    dockerfile:
      'RUN <<EOF\nset -e\necho "a $0" > /a\nfalse || echo b > /b\nEOF\nRUN <<EOF cat > /c\nfrom a heredoc\nEOF\nRUN <<EOF\n#!/bin/sh -e\necho script > /d\nEOF\nSHELL ["/bin/sh", "-xc"]\nRUN echo s > /s\nRUN ["/bin/busybox", "touch", "/exec form"]',
  },
  {
    name: "a cache mount",
    dockerfile: RUN(
      "--mount=type=cache,target=/cache,id=RUNG echo kept > /cache/file && test -d /cache",
      "--mount=type=cache,target=/cache,id=RUNG cat /cache/file > /from-cache",
      "test ! -e /cache/file && ls -d /cache > /stub || true",
    ),
  },
  {
    name: "secrets",
    dockerfile: RUN(
      "--mount=type=secret,id=token cat /run/secrets/token | wc -c > /length",
      "--mount=type=secret,id=token,target=/srv/t,mode=0444 cp /srv/t /dev/null && ls -l /srv/t | cut -c1-10 > /mode",
      '--mount=type=secret,id=token,env=TOKEN test "$TOKEN" = s3cr3t-value',
      "test ! -e /srv/t && ls -A /run > /run.list",
    ),
  },
  {
    name: "binds",
    dockerfile:
      "FROM bb AS other\nRUN mkdir /o && echo o > /o/file\nFROM bb\n" +
      RUN(
        "--mount=target=/ctx cp /ctx/given /copied",
        "--mount=from=other,source=/o,target=/mnt/o,rw cat /mnt/o/file > /o && echo lost > /mnt/o/lost",
        "--mount=type=bind,source=given,target=/srv/dir/deep/file cat /srv/dir/deep/file > /seen",
        "ls -A /mnt > /mnt.list 2>/dev/null; cat /srv/dir/deep/file > /unseen",
      ),
  },
  {
    name: "a tmpfs",
    dockerfile: RUN(
      "--mount=type=tmpfs,target=/srv/dir echo gone > /srv/dir/gone && test ! -e /srv/dir/deep",
      "test -e /srv/dir/deep && test ! -e /srv/dir/gone",
    ),
  },
  { name: "a step that fails", dockerfile: "RUN echo a > /a && exit 9", fails: "exit code 9" },
  { name: "a step that is killed", dockerfile: "RUN sh -c 'kill -9 $$'; exit $?", fails: "137" },
  { name: "a program that isn't there", dockerfile: 'RUN ["/nothing"]', fails: "/nothing" },
  {
    name: "run again on top of a copy",
    dockerfile: "RUN echo 1 > /srv/dir/one\nCOPY given /srv/dir/two\nRUN cat /srv/dir/one /srv/dir/two > /both && rm /srv/dir/two",
  },
].map((one) => ({ ...one, dockerfile: one.dockerfile.startsWith("FROM") ? one.dockerfile : `FROM bb\n${one.dockerfile}` }));

/** On the busybox base, for the long run: whole trees, and what lasts. */
export const WIDE_CASES = [
  {
    name: "a tar pipe",
    dockerfile:
      RUN(
        "mkdir -p /from/a /to && echo x > /from/a/f && chown -R 7:8 /from/a && chmod 4750 /from/a/f && chmod 2751 /from/a && ln /from/a/f /from/a/g && ln -s f /from/a/l && mkfifo /from/p",
      ) +
      "\n" +
      RUN(
        "touch -h -d '2001-02-03 04:05:06' /from/a/l; touch -d '2001-02-03 04:05:06' /from/a/f /from/a && tar -C /from -cf - . | tar -C /to -xpf - && rm -r /from",
      ),
    owners: true,
  },
  {
    name: "sticky and set-group-id directories",
    dockerfile: RUN(
      "mkdir -m 1777 /sticky && mkdir /team && chgrp 50 /team && chmod 2775 /team && mkdir /team/sub && touch /team/f",
      "mkdir -p /team/sub/deep/er && cp /etc/motd /team/sub/ && mv /etc/motd /team/moved && chmod g-s /team/sub/deep",
    ),
    owners: true,
  },
  {
    name: "deep directories renamed",
    dockerfile: RUN(
      "d=/deep; for i in $(seq 40); do d=$d/$i; mkdir -p $d; echo $i > $d/f; done; mv /deep /deeper && mv /deeper/1/2/3/4/5 /five && mv /srv /five/6",
      "mv /five/6/7/8 /deeper/1/2/3/four && rm -r /five/6/7 && mv /five/6/srv /srv && mkdir /five/6/7 && echo new > /five/6/7/f",
      "mv /deeper/1 /tmp/1 && mkdir /deeper/1 && mv /tmp/1/2 /deeper/1/two && rmdir /tmp/1 2>/dev/null || ls /tmp/1 > /left",
    ),
  },
  {
    name: "sed over many files",
    dockerfile: RUN(
      "for i in $(seq 300); do echo key=old-$i > /srv/$i.conf; done; chmod 600 /srv/1*.conf; chmod 755 /srv/2*.conf; ln -s 1.conf /srv/link.conf",
      "find /srv -name '*.conf' -type f | xargs sed -i 's/old/new/' && sed -i 's/sh$/ash/' /etc/passwd",
      "find /srv -name '*7.conf' -exec rm {} + && cat $(ls -d /srv/*.conf | sort) > /all",
    ),
  },
  {
    name: "modes and owners of whole trees",
    dockerfile: RUN(
      "chown -R 1500:1500 /srv /usr /home/ada && chmod -R g+rwX,o-rwx /srv /usr",
      "chown -R 0:0 /usr && chmod -R u=rwX,go=rX /usr && chmod -R a-w /srv",
    ),
    owners: true,
  },
  {
    name: "hardlinks of a whole tree",
    dockerfile: RUN(
      "cp -al /srv /copy && mkdir /etc.old && cp -al /etc/passwd /etc/group /etc/motd /etc.old",
      "rm -r /srv && echo more >> /copy/dir/deep/file && rm /etc.old/group && echo more >> /etc/passwd",
      "ln /copy/dir/deep/file /third; ln /bin/tool /bin/tool2 && chmod 700 /bin/tool2",
    ),
  },
  {
    name: "files with holes, written in place",
    dockerfile: RUN(
      "dd if=/dev/zero of=/sparse bs=1 count=1 seek=5000000 2>/dev/null && echo x | dd of=/sparse bs=1 seek=1000000 conv=notrunc 2>/dev/null && truncate -s 3000000 /bin/tool",
      "truncate -s 10 /etc/motd && echo end | dd of=/sparse bs=1 seek=4999990 conv=notrunc 2>/dev/null; stat -c %s /sparse > /size",
    ),
  },
  {
    name: "a user in directories of its own",
    dockerfile:
      "WORKDIR /app\nCOPY --chown=ada:staff given ./\nRUN chown ada . && chmod 750 .\nUSER ada\n" +
      RUN("echo more >> given && mkdir -m 700 out && echo 1 > out/one && ln out/one two && chmod 400 out/one", "rm two && mv out moved && echo $HOME > home") +
      "\nUSER root\nRUN rm given && cp moved/one /one",
    owners: true,
  },
  {
    name: "names no shell likes",
    dockerfile: RUN(
      "mkdir \"$(printf '/srv/a\\\\nb')\" && touch \"$(printf '/srv/a\\\\nb/c d')\" '/srv/*' '/srv/~' '/srv/\\\\' '/srv/\"' && ln -s '*' '/srv/star'",
      "cp -a /srv '/s r v' && rm -r \"$(printf '/srv/a\\\\nb')\"",
    ),
  },
  {
    name: "programs that wait and are ended",
    dockerfile: RUN(
      "timeout 1 sleep 20; echo $? > /timeout; (sleep 20 & kill $!; wait $!; echo $?) > /wait 2>/dev/null; trap 'echo left > /trap' EXIT; true",
      "ulimit -n > /dev/null; for i in 1 2 3; do (echo $i > /$i) & done; wait; cat /1 /2 /3 > /sum",
    ),
  },
].map((one) => ({ ...one, dockerfile: `FROM bb\n${one.dockerfile}\n` }));

/** On the busybox base: what rungs differ in, or may; one RUN each. */
export const PREDICTED_CASES = [
  { name: "nothing", dockerfile: "RUN echo 1 > /one" },
  { name: "an owner", dockerfile: "RUN mkdir /d && chown 7:8 /d" },
  { name: "a device", dockerfile: "RUN mknod /n c 1 3" },
  { name: "a fifo", dockerfile: "RUN mknod /n p" },
  { name: "another user", dockerfile: "USER 5:6\nRUN echo x 2>/dev/null >> /etc/passwd || echo refused > /tmp/refused" },
  { name: "no network", dockerfile: "RUN --network=none true" },
  { name: "the host name", dockerfile: "RUN hostname > /name" },
  { name: "/proc", dockerfile: "RUN cat /proc/version > /dev/null" },
  { name: "descriptors", dockerfile: "RUN exec 5< /etc/motd; cat /dev/fd/5 > /five" },
  { name: "a small tmpfs", dockerfile: "RUN --mount=type=tmpfs,target=/t,size=1m dd if=/dev/zero of=/t/x bs=1M count=3 2>/dev/null || echo full > /full" },
  { name: "a read-only mount", dockerfile: "RUN --mount=target=/c echo x 2>/dev/null > /c/given || echo refused > /refused" },
  { name: "a read-only cache", dockerfile: "RUN --mount=type=cache,target=/c,ro touch /c/x 2>/dev/null || echo refused > /refused" },
].map((one) => ({ ...one, dockerfile: `FROM bb\n${one.dockerfile}\n` }));
