// First in every bundle. The Pulumi SDK loads a TypeScript compiler and a package manager with the rest of itself, to write functions into the
// state, and an API by which programs run the engine. This program does neither, and all together are more than half of
// the SDK's start. They are loaded when something asks for the first of their members.
"use strict";
const Module = require("node:module");

const LARGE = new Set(["typescript", "@npmcli/arborist", "./automation"]);
const load = Module._load;

Module._load = function (request, parent, isMain) {
  if (!LARGE.has(request) || !/[\\/]@pulumi[\\/]pulumi[\\/]/.test(parent?.filename ?? "")) {
    return load.call(this, request, parent, isMain);
  }
  let loaded;
  const members = () => (loaded ??= load.call(this, request, parent, isMain));
  return new Proxy(
    {},
    {
      // What was compiled from an `import` asks for this one first, and copies every member unless it is there.
      get: (_, name) => (name === "__esModule" ? true : members()[name]),
      has: (_, name) => name in members(),
    },
  );
};
