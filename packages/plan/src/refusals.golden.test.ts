import { parseDockerfile } from "@varve/dockerfile";
import { isVarveError, type VarveError } from "@varve/errors";
import { expect, test } from "vitest";
import { refusal } from "./plan-case.fixture.ts";

// what BuildKit refuses in parser, instructions and dockerfile2llb, a text a message; each must name a place and what to do
const INSTRUCTIONS: readonly string[] = [
  "BOGUS",
  "ENV",
  "ENV a",
  "ENV =b",
  "ENV a=1 b",
  "LABEL",
  "LABEL a",
  "ADD a",
  "COPY",
  "COPY --from=x a",
  "COPY --chown a b",
  "COPY --link=maybe a b",
  "COPY --bogus a b",
  "COPY --from=a --from=b x y",
  "ONBUILD",
  "ONBUILD ONBUILD RUN x",
  "ONBUILD FROM x",
  "ONBUILD MAINTAINER x",
  "WORKDIR",
  "RUN --mount=type=weird x",
  "RUN --mount=foo x",
  "RUN --mount=type=bind x",
  "RUN --mount=type=cache x",
  "RUN --mount=type=tmpfs,target=/x,size=abc x",
  "RUN --mount=type=secret x",
  "RUN --mount=type=cache,target=/x,sharing=odd x",
  "RUN --mount=type=cache,target=/x,mode=9 x",
  "RUN --mount=type=cache,target=/x,uid=a x",
  "RUN --mount=type=bind,target=/x,from=$Y x",
  "RUN --mount=type=bind,target=/x,readonly=perhaps x",
  "RUN --mount=type=cache,target=/ x",
  "RUN --network=weird x",
  "RUN --security=weird x",
  "RUN --device=gpu x",
  "RUN --isolation=x y",
  "RUN <<EOF\nx\n",
  "COPY a <<EOF\nx\nEOF\n",
  "HEALTHCHECK",
  "HEALTHCHECK NONE x",
  "HEALTHCHECK CMD",
  "HEALTHCHECK FOO x",
  "HEALTHCHECK --interval=1 CMD x",
  "HEALTHCHECK --interval=1us CMD x",
  "HEALTHCHECK --interval=-1s CMD x",
  "HEALTHCHECK --retries=-1 CMD x",
  "HEALTHCHECK --retries=a CMD x",
  "EXPOSE",
  "EXPOSE abc",
  "EXPOSE 70000",
  "EXPOSE 80/abc",
  "EXPOSE 90-80",
  "EXPOSE 80-",
  "EXPOSE 1:2:3:4",
  "USER",
  "VOLUME",
  "VOLUME []",
  'VOLUME [""]',
  "STOPSIGNAL",
  "STOPSIGNAL foo",
  "STOPSIGNAL 0",
  "ARG",
  "ARG =x",
  "SHELL",
  "SHELL []",
  "SHELL sh",
  "MAINTAINER",
  "CMD [1]",
  'COPY ["a"]',
  "COPY --from=5 a b",
  "COPY --from=-1 a b",
  "COPY --from=$X a b",
  "COPY --chmod=999 a b",
  "COPY --chmod=99999 a b",
  "COPY --chmod=foo a b",
  "ADD --checksum=sha256:x http://e.com/a b",
  "ADD --checksum=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa a b",
  "ADD --checksum=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa http://a/x http://a/y b",
  "COPY http://e.com/x /",
  "COPY ${X:?need it} /",
  "ENV A=${B!x}",
  "ENV A=${B",
  "ENV A='x",
  "COPY --parents=x a b",
  "RUN --network=none --network=host x",
  "COPY --exclude a b c",
  "COPY --keep-git-dir a b",
  "ADD --parents a b",
  "ADD --from=x a b",
  "WORKDIR --x a",
  "USER --x",
  "ENV --x a=b",
  "ENTRYPOINT --x",
  "ARG A=${B:?no}",
  "VOLUME $X",
  "STOPSIGNAL $X",
];
const FILES: readonly string[] = [
  "# only\n",
  "RUN x\n",
  "ARG A\n",
  "FROM\n",
  "FROM a b\n",
  "FROM a AS\n",
  "FROM a AS 1x\n",
  "FROM a AS b c\n",
  "FROM --bogus a\n",
  "# escape=x\nFROM a\n",
  "# escape=`\n# escape=`\nFROM a\n",
  "# syntax=a\n# syntax=b\nFROM a\n",
  "# check=foo\nFROM a\n",
  "FROM ${X}\n",
  "FROM --platform=$X a\n",
  "FROM --platform=bogus/x/y/z a\n",
  "FROM UPPER\n",
  "FROM a:b:c\n",
  "FROM a@sha256:12\n",
  "FROM a AS x\nCOPY --from=x p q\n",
  "FROM a AS x\nCOPY --from=y p q\nFROM b AS y\nCOPY --from=x p q\n",
];

function refused(text: string): VarveError {
  try {
    parseDockerfile(text);
  } catch (error) {
    if (isVarveError(error)) return error;
    throw error;
  }
  return refusal(text);
}

test("every refusal names a place and says what to do", async () => {
  const texts = [...FILES, ...INSTRUCTIONS.map((text) => `FROM b\n${text}\n`)];
  const lines = texts.map((text) => {
    const { code, message, hint, source } = refused(text);
    const { line, column } = source?.range.start ?? {};
    expect({ text, hint, line }).toEqual({ text, hint: expect.any(String), line: expect.any(Number) });
    return `${JSON.stringify(text)}\n  ${line}:${column}: ${message} [${code}]\n  hint: ${hint}\n`;
  });
  await expect(lines.join("")).toMatchFileSnapshot("../../../fixtures/bad/refusals.txt");
});
