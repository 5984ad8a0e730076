// Deterministic Dockerfiles of the size and make-up of real ones: several stages, continuations, comments, now and then a heredoc.
import { createRandom } from "./workload.mjs";

const BASES = ["debian:12-slim", "node:22-alpine", "golang:1.24", "python:3.13-slim", "registry.example.com/team/base:2025.4", "${BASE}"];
const PACKAGES = ["build-essential", "ca-certificates", "curl", "git", "libssl-dev", "pkg-config", "python3-dev", "unzip", "zlib1g-dev"];

/** `count` texts, the same on every machine. */
export function makeDockerfiles(count, seed) {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => makeDockerfile(random));
}

function makeDockerfile(random) {
  const pick = (list) => list[random() % list.length];
  const chance = (percent) => random() % 100 < percent;
  const lines = chance(60) ? ["# syntax=docker/dockerfile:1", ""] : [];
  if (chance(40)) lines.push("ARG BASE=debian:12", "ARG VERSION=1.2.3", "");
  const stages = 1 + (random() % 3);
  for (let stage = 0; stage < stages; stage++) {
    lines.push(`# stage ${stage} makes what the next one takes`, `FROM ${pick(BASES)} AS stage${stage}`);
    if (chance(70)) lines.push("ARG VERSION", `LABEL org.opencontainers.image.version="\${VERSION}" maintainer="someone@example.com"`);
    if (chance(70)) lines.push("ENV PATH=/opt/app/bin:$PATH \\", "    NODE_ENV=production \\", `    APP_HOME="/opt/app dir" LEVEL=${random() % 9}`);
    if (chance(80)) {
      lines.push("RUN apt-get update && apt-get install -y --no-install-recommends \\");
      for (const name of PACKAGES.slice(0, 2 + (random() % 7))) lines.push(`      ${name} \\`);
      if (chance(30)) lines.push("      # kept for the image's size");
      lines.push("    && rm -rf /var/lib/apt/lists/*");
    }
    lines.push("WORKDIR /opt/app");
    for (let i = random() % 5; i > 0; i--) lines.push(`COPY --chown=1000:1000 src/part${i} package*.json ./part${i}/`);
    if (chance(50)) lines.push("RUN --mount=type=cache,target=/root/.cache,sharing=locked --mount=type=bind,source=go.mod,target=go.mod make -j$(nproc) all");
    for (let i = random() % 4; i > 0; i--)
      lines.push(`RUN echo "step ${i}" && ./configure --prefix=/usr/local --with-option=${random() % 1000} && make install`);
    if (chance(5)) lines.push("RUN <<EOF", "set -e", "echo one", "echo two > /etc/two", "EOF");
    if (stage > 0 && chance(80)) lines.push(`COPY --from=stage${stage - 1} /opt/app/dist /opt/app/dist`);
    lines.push("");
  }
  lines.push("EXPOSE 8080 8443/tcp", "USER 1000:1000", "VOLUME /data");
  if (chance(30)) lines.push("HEALTHCHECK --interval=30s --timeout=3s CMD curl -f http://localhost:8080/healthz || exit 1");
  lines.push('ENTRYPOINT ["/opt/app/bin/start", "--config", "/etc/app/config.yaml"]', 'CMD ["serve"]');
  return `${lines.join("\n")}\n`;
}
