// undici is CommonJS: a bundler gives its names to a static import only, so this module is what is loaded when it is first needed
export { Agent, buildConnector, ProxyAgent, request } from "undici";
