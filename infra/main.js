import { load } from "./load.js";

// What Pulumi runs (`main` of package.json): the program itself is index.ts.
export default (await load("infra/index.ts")).default;
