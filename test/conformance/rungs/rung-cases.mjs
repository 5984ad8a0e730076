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

const INSTALL = "apt-get update -qq && apt-get install -y -qq --no-install-recommends";
const CLEAN = "rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/*";
/** Of what is installed one step tells: packages that make users, give files away, set modes and file capabilities. */
const PACKAGES = "cron openssh-client dbus ssl-cert libcap2-bin iputils-ping";

/** On a Debian base `debian`, with its package registry, npm's, and the host's Node in `node`. */
export const DEBIAN_CASES = [
  {
    name: "apt-get install",
    dockerfile: `RUN ${INSTALL} ${PACKAGES} && ${CLEAN} && dpkg -s ${PACKAGES} | grep ^Status | sort -u > /status
RUN cp /bin/true /srv/cap && setcap cap_net_bind_service+ep /srv/cap && getcap /srv/cap > /caps`,
    owners: true,
    capabilities: ["caps", "srv/cap", "usr/bin/ping"],
  },
  {
    name: "useradd, USER and chown",
    dockerfile: `RUN useradd --create-home --uid 1500 ada && install -d -o ada -g ada -m 2750 /data && chown -R ada:ada /home/ada && su ada -c 'touch /home/ada/hers'
USER ada
WORKDIR /home/ada/desk
RUN id -un > who && echo $HOME >> who && mkdir -p deep/er && chmod 700 deep && touch deep/er/x
USER root
RUN chgrp -R staff /home/ada/desk && chmod -R g+s /home/ada/desk && rm -r /home/ada/desk/deep/er`,
    owners: true,
  },
  {
    name: "npm ci",
    dockerfile: `COPY --from=node . /opt/node/
ENV PATH=/opt/node/bin:$PATH
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm --mount=type=bind,from=certificates,target=/certificates \\
  NODE_EXTRA_CA_CERTS=/certificates/ca.crt npm ci --no-audit --no-fund && node -e 'console.log(require("is-odd")(3))' > /odd
RUN npm prune --omit=dev --no-audit --no-fund && rm -r /opt/node`,
  },
  {
    name: "rm -rf of base directories",
    dockerfile:
      "RUN rm -rf /usr/share/doc /usr/share/man && mkdir /usr/share/doc && echo x > /usr/share/doc/x && mv /usr/share/perl5 /usr/share/perl && rm -rf /usr/share/zoneinfo/* /var/cache /boot",
  },
  {
    name: "apt-get with cache mounts",
    dockerfile: `RUN --mount=type=cache,target=/var/cache/apt,sharing=locked,id=RUNG-a --mount=type=cache,target=/var/lib/apt,sharing=locked,id=RUNG-b \\
  apt-get update -qq && apt-get install -y -qq --no-install-recommends jq && rm -r /var/log/*
RUN --mount=type=cache,target=/var/cache/apt,id=RUNG-a ls /var/cache/apt > /cached && ls /var/lib/apt > /lib-apt && echo '{"a":[1]}' | jq -c .a > /jq`,
  },
  {
    name: "secrets of package managers",
    dockerfile: `RUN --mount=type=secret,id=token,target=/etc/apt/auth.conf.d/t.conf --mount=type=secret,id=token,env=TOKEN \\
  test "$TOKEN" = "$(cat /etc/apt/auth.conf.d/t.conf)" && ls -A /etc/apt/auth.conf.d > /names
RUN ls -A /etc/apt/auth.conf.d > /names-after && test ! -e /run/secrets`,
  },
  {
    name: "what is left running",
    dockerfile: `RUN nohup sh -c 'while :; do date >> /late; sleep 0.1; done' > /dev/null 2>&1 & perl -e 'use POSIX; fork and exit; setsid; fork and exit; sleep 1; open F, ">/later"; sleep 100' & rm -f /late
RUN rm -f /late /later; sleep 1.2; test ! -e /late && test ! -e /later`,
  },
].map((one) => ({ ...one, dockerfile: `FROM debian\n${one.dockerfile}\n` }));

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
