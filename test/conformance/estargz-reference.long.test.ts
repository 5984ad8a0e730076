import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hasTool } from "@varve/testkit";
import { describe, expect, it } from "vitest";
import { createWorkspace, runProgram } from "../e2e/varve.ts";

/** Debian's golang-github-containerd-stargz-snapshotter-dev puts it there; beside golang-go it is too large to be asked of every machine. */
const LIBRARY = "/usr/share/gocode";
const isThere = hasTool("go") && existsSync(join(LIBRARY, "src/github.com/containerd/stargz-snapshotter/estargz"));

/** Opens a blob as stargz-snapshotter does, verifies its table against the annotation, and reads and verifies every chunk of every file. */
const PROGRAM = `package main

import (
	"fmt"
	"io"
	"os"

	"github.com/containerd/stargz-snapshotter/estargz"
	digest "github.com/opencontainers/go-digest"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	file, err := os.Open(os.Args[1])
	must(err)
	stat, err := file.Stat()
	must(err)
	reader, err := estargz.Open(io.NewSectionReader(file, 0, stat.Size()))
	must(err)
	verifier, err := reader.VerifyTOC(digest.Digest(os.Args[2]))
	must(err)
	files, size := 0, int64(0)
	var walk func(string, *estargz.TOCEntry)
	walk = func(folder string, entry *estargz.TOCEntry) {
		entry.ForeachChild(func(name string, child *estargz.TOCEntry) bool {
			path := folder + name
			if child.Type == "dir" {
				walk(path+"/", child)
			}
			if child.Type != "reg" || child.Size == 0 {
				return true
			}
			section, err := reader.OpenFile(path)
			must(err)
			content := make([]byte, child.Size)
			if _, err := section.ReadAt(content, 0); err != io.EOF {
				must(err)
			}
			for at := int64(0); at < child.Size; {
				chunk, ok := reader.ChunkEntryForOffset(path, at)
				if !ok {
					panic("no chunk of " + path)
				}
				check, err := verifier.Verifier(chunk)
				must(err)
				check.Write(content[chunk.ChunkOffset : chunk.ChunkOffset+chunk.ChunkSize])
				if !check.Verified() {
					panic("a chunk of " + path)
				}
				at = chunk.ChunkOffset + chunk.ChunkSize
			}
			files++
			size += child.Size
			return true
		})
	}
	root, ok := reader.Lookup("")
	if !ok {
		panic("no root")
	}
	walk("", root)
	fmt.Println(files, size)
}
`;

describe.skipIf(!isThere)("an estargz layer (needs go, golang-github-containerd-stargz-snapshotter-dev)", () => {
  it("is opened and verified to the last chunk by stargz-snapshotter's own library", async () => {
    await using space = await createWorkspace();
    const large = Buffer.alloc(9 * 1024 * 1024, "sand ");
    const files = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`d${i % 5}/f${i}`, `file ${i}\n`]));
    await space.files("app", { Dockerfile: "FROM scratch\nCOPY . /app/\n", ...files, empty: "", large });
    for (const [form, name] of [
      ["compression=estargz", "usual"],
      ["compression=estargz,compression-level=9,portable=true", "portable"],
    ] as const) {
      const layout = join(space.root, name);
      await space.ok(["build", "-o", `type=oci,tar=false,dest=${layout},${form}`, "app"]);
      const blob = (digest: string): string => join(layout, "blobs/sha256", digest.slice("sha256:".length));
      const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8")) as { manifests: [{ digest: string }] };
      const manifest = JSON.parse(await readFile(blob(index.manifests[0].digest), "utf8")) as {
        layers: [{ digest: string; annotations: Record<string, string> }];
      };
      const [layer] = manifest.layers;
      await mkdir(join(space.root, "reader"), { recursive: true });
      await writeFile(join(space.root, "reader/main.go"), PROGRAM);
      const env = { GOPATH: LIBRARY, GO111MODULE: "off", GOCACHE: join(space.root, "go-cache") };
      const args = ["run", "main.go", blob(layer.digest), layer.annotations["containerd.io/snapshot/stargz/toc.digest"] ?? ""];
      const { stdout, stderr, code } = await runProgram("go", args, { cwd: join(space.root, "reader"), env });
      expect(code, stderr).toBe(0);
      // the Dockerfile and the landmark beside them
      const text = Object.values(files).join("").length + "FROM scratch\nCOPY . /app/\n".length + 1;
      expect(stdout.trim()).toBe(`${50 + 1 + 1 + 1} ${large.length + text}`);
    }
  });
});
