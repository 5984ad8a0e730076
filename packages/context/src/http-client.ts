/** What downloads need of undici; a module of its own, so that it is loaded by builds that download only. */
export { EnvHttpProxyAgent, request } from "undici";
