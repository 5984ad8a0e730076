import { describeTraces } from "./describe-traces.ts";

describeTraces("core");
