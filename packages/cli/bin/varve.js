#!/usr/bin/env node
// CommonJS: loading an ES module starts libuv's thread pool, whose size can't be changed from then on
const { availableParallelism } = require("node:os");
const { setFlagsFromString } = require("node:v8");

// all cores compress, two threads more read and write meanwhile
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism() + 2));
// undici's parser is WebAssembly that passes bodies on as they are: optimising it took 0.17 s of CPU of a build in which nothing changed, and was waited
// for when the process ended. First of all, since what V8 compiled before is taken again only under the same flags
setFlagsFromString("--liftoff-only");
// what a long build compiled at its start is kept for the next one too
setFlagsFromString("--no-flush-bytecode");
require("../dist/start.cjs");
