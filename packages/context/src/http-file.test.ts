import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectBytes } from "@varve/bytes";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { httpFile } from "./http-file.ts";

let directory: string;
const servers: Server[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "varve-http-"));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void, port = 0): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => server.listen(port, "127.0.0.1", resolve).once("error", reject));
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function textOf(url: string): Promise<string> {
  await using file = await httpFile(url, { directory });
  const bytes = await collectBytes(await file.reader.open(file.entry.content as never), 1000, () => new Error("too long"));
  return new TextDecoder().decode(bytes);
}

const hintOf = async (url: string): Promise<string> =>
  textOf(url).then(
    () => "",
    (error: { readonly hint?: string }) => error.hint ?? "",
  );

test("a port that browsers refuse is one like any other", async () => {
  // what fetch calls bad; the first that is free
  for (const port of [6000, 6665, 6666, 6667, 6668, 6669, 10_080]) {
    const url = await serve((_, response) => response.end("there"), port).catch(() => undefined);
    if (url === undefined) continue;
    expect(await textOf(`${url}/f`)).toBe("there");
    return;
  }
  throw new Error("every port is taken");
});

describe("redirects", () => {
  test("are followed ten times, relative ones too", async () => {
    const url = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end("found");
      else response.writeHead([301, 302, 303, 307, 308][left % 5] ?? 302, { location: left === 3 ? "2" : `${url}/${left - 1}` }).end("elsewhere");
    });
    expect(await textOf(`${url}/10`)).toBe("found");
    await expect(textOf(`${url}/11`)).rejects.toMatchObject({ code: "CONTEXT_DOWNLOAD_FAILED", message: expect.stringContaining("10 times") as string });
  });

  test("the user and password of a URL go to its own origin only", async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end("other");
    });
    const url = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: request.url === "/a" ? "/b" : `${other}/c` }).end();
    });
    expect(await textOf(`${url.replace("//", "//user:p%40ss@")}/a`)).toBe("other");
    const basic = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
    expect(seen).toEqual([basic, basic, undefined]);
  });

  test("to what is no web address is refused", async () => {
    const url = await serve((_, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end());
    await expect(textOf(url)).rejects.toMatchObject({ code: "CONTEXT_DOWNLOAD_FAILED", message: expect.stringContaining("file:///etc/passwd") as string });
  });
});

test("what cannot be fetched says why in words", async () => {
  const url = await serve((request, response) => response.writeHead(request.url === "/none" ? 404 : 200).end());
  await expect(textOf(`${url}/none`)).rejects.toMatchObject({ message: `${url}/none answered 404 Not Found` });
  expect(await hintOf(`${url.replace("http:", "https:")}/f`)).toBe("what answers there does not speak TLS: write http:// if it is meant to be asked in clear");
  expect(await hintOf("http://127.0.0.1:1/f")).toContain("ECONNREFUSED");
});
