// What people do on a distribution, in Dockerfiles whose results must be the same on every rung; see rung-cases.mjs.

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
  {
    name: "a Node app in stages",
    dockerfile: `FROM debian AS runtime
COPY --from=node . /usr/local/
RUN useradd --create-home --uid 1000 node && ln -s node /usr/local/bin/nodejs
FROM runtime AS deps
WORKDIR /app
COPY package*.json .npmrc ./
RUN --mount=type=cache,id=RUNG-npm,target=/root/.npm --mount=type=bind,from=certificates,target=/certificates \\
  NODE_EXTRA_CA_CERTS=/certificates/ca.crt npm ci --omit=dev --no-audit --no-fund
FROM deps AS built
RUN <<EOF node
const { mkdirSync, writeFileSync, chmodSync } = require("node:fs");
mkdirSync("dist/deep", { recursive: true });
writeFileSync("dist/index.js", "console.log(require('is-odd')(3), process.env.USER_NAME, require('node:os').userInfo().username)");
writeFileSync("dist/start", "#!/bin/sh\\nexec node dist/index.js\\n");
chmodSync("dist/start", 0o755);
EOF
FROM runtime
ENV NODE_ENV=production USER_NAME=node
WORKDIR /app
RUN chown node:node .
COPY --from=deps --chown=node:node /app/node_modules node_modules
COPY --from=built --chown=node:node /app/dist dist
USER node
RUN ./dist/start > said && mkdir -p cache && chmod 700 cache && touch cache/x
USER root
RUN rm -r /usr/local/bin /usr/local/lib
CMD ["dist/start"]`,
    owners: true,
  },
  {
    name: "Python in an environment of its own",
    dockerfile: `ENV PYTHONDONTWRITEBYTECODE=1
RUN ${INSTALL} python3-venv && ${CLEAN} && find / -xdev -name __pycache__ -prune -exec rm -r {} +
RUN python3 -m venv --without-pip /opt/venv && /opt/venv/bin/python -c 'import sys; print(sys.prefix)' > /prefix
ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN <<EOF python3
import os, shutil, pathlib, subprocess, tempfile
site = pathlib.Path("/opt/venv/lib").glob("python3*/site-packages").__next__()
(site / "mine.py").write_text("def name():\\n    return 'mine'\\n")
with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(folder, "x").write_text("x")
    shutil.move(str(pathlib.Path(folder, "x")), "/moved")
os.chmod("/moved", 0o640)
os.symlink("moved", "/link")
subprocess.run("printf '%s' piped | tee /teed > /dev/null", shell=True, check=True)
EOF
RUN python -c 'import mine; print(mine.name())' | tee /mine && [[ -s /mine ]]
RUN python -c 'import multiprocessing as m; m.set_start_method("fork"); print(sum(m.Pool(2).map(abs, range(-9, 0))))' > /sum`,
  },
  {
    name: "a static program of C",
    dockerfile: `FROM debian AS build
RUN ${INSTALL} gcc libc6-dev && ${CLEAN}
WORKDIR /src
RUN <<EOF cat > hello.c
#include <stdio.h>
#include <unistd.h>
int main(void) { printf("hello %d\\n", (int)geteuid()); return 0; }
EOF
RUN gcc -static -o /hello hello.c && /hello > /said && chmod 0555 /hello
FROM scratch
COPY --from=build /hello /bin/hello
COPY --from=build --chmod=0600 /said /
RUN ["/bin/hello"]
ENTRYPOINT ["/bin/hello"]`,
  },
  {
    name: "a package made by hand",
    dockerfile: `WORKDIR /build
RUN mkdir -p p/DEBIAN p/etc/made p/usr/bin p/usr/share/made && echo 'key=1' > p/etc/made/made.conf && echo /etc/made/made.conf > p/DEBIAN/conffiles \\
 && printf '#!/bin/sh\\necho made\\n' > p/usr/bin/rev && chmod 755 p/usr/bin/rev && ln p/usr/bin/rev p/usr/share/made/twin && ln -s ../../bin/rev p/usr/share/made/link
RUN <<EOF
printf 'Package: made\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody <n@example.org>\\nDescription: made\\n' > p/DEBIAN/control
cat > p/DEBIAN/preinst <<'X'
#!/bin/sh -e
dpkg-divert --package made --rename --divert /usr/bin/rev.real --add /usr/bin/rev
X
cat > p/DEBIAN/postinst <<'X'
#!/bin/sh -e
getent passwd _made > /dev/null || useradd --system --home-dir /var/lib/made --shell /usr/sbin/nologin _made
install -d -o _made -g _made -m 2750 /var/lib/made
dpkg-statoverride --list /usr/share/made > /dev/null || dpkg-statoverride --update --add root _made 0750 /usr/share/made
( while :; do sleep 1; done ) > /dev/null 2>&1 &
X
chmod 755 p/DEBIAN/preinst p/DEBIAN/postinst
dpkg-deb --root-owner-group -b p made_1.deb && sed -i s/1/2/ p/DEBIAN/control && echo 'key=2' > p/etc/made/made.conf && dpkg-deb -b p made_2.deb
EOF
RUN dpkg -i made_1.deb && rev > /said && echo mine >> /etc/made/made.conf
RUN dpkg -i --force-confold made_2.deb && ls /etc/made > /configurations && dpkg -s made | grep -e ^Status -e ^Version > /status
RUN rm -r /build /var/log/*`,
    owners: true,
  },
  {
    name: "languages",
    dockerfile: `RUN ${INSTALL} locales && ${CLEAN}
RUN localedef -i de_DE -f UTF-8 de_DE.UTF-8 && LC_ALL=de_DE.UTF-8 locale -k LC_TIME | grep ^day= > /days`,
    spawns: true,
  },
  {
    name: "services, sudo and attributes",
    dockerfile: `RUN ${INSTALL} sudo redis-server attr openssh-client && ${CLEAN}
RUN useradd --create-home ada && echo 'ada ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ada && chmod 440 /etc/sudoers.d/ada && su - ada -c 'umask 077; echo $HOME > mine'
RUN touch /srv/f && setfattr -n user.kind -v file /srv/f && mkdir /srv/d && setfattr -n user.kind -v directory /srv/d && getfattr --absolute-names -n user.kind /srv/f /srv/d > /attributes
RUN mv /srv/f /srv/g && setfattr -x user.kind /srv/d
RUN --mount=type=ssh ssh-add -L | cut -d' ' -f3 > /keys
RUN --mount=type=tmpfs,target=/root/.ssh --mount=type=ssh,required=true touch /root/.ssh/known_hosts && test -S "$SSH_AUTH_SOCK"
RUN dpkg --purge openssh-client && rm -f /var/log/*.log`,
    owners: true,
    renamed: ["etc/sudoers", "etc/sudoers.d/README"],
  },
].map((one) => ({ ...one, dockerfile: `${one.dockerfile.startsWith("FROM") ? "" : "FROM debian\n"}${one.dockerfile}\n` }));
