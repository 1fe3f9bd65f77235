// Who may import whom. scripts/rooms.json says it once, for these rules and for the picture in docs/architecture.md.
const { rooms, steps } = require("./scripts/rooms.json");

const pathOf = (room) => (room.endsWith(".ts") ? `^${room.replace(".", "[.]")}$` : `^${room}/`);
const allRooms = rooms.map(({ room }) => pathOf(room));

/** Rooms that may be imported: as listed, or all on lower floors. */
function allowed({ floor, imports }) {
  if (imports !== "below") return imports;
  return rooms.filter((other) => other.floor < floor).map(({ room }) => room);
}

const roomRules = rooms.map((room) => {
  const may = allowed(room);
  return {
    name: `${room.room} imports ${may.length > 0 ? `only ${may.join(", ")}` : "nothing of ours"}`,
    comment: `${room.room} holds ${room.holds}. See docs/architecture.md.`,
    severity: "error",
    from: { path: pathOf(room.room) },
    to: { path: allRooms, pathNot: [room.room, ...may].map(pathOf) },
  };
});

const stepRules = steps.map(({ step, imports }) => ({
  name: `step ${step} knows ${imports.length > 0 ? `only ${imports.join(", ")}` : "no other step"}`,
  comment: "Each step of the upgrade is in one folder and depends on the others only through the order of resources.",
  severity: "error",
  from: { path: `^components/${step}/` },
  to: { path: "^components/[^/]+/", pathNot: [step, ...imports].map((one) => `^components/${one}/`) },
}));

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no circular imports",
      comment: "Two files that import each other cannot be read one after the other. Move what both need to a third.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "tests are imported by tests, demo and bench only",
      severity: "error",
      from: { pathNot: "^(test|sandbox)/" },
      to: { path: "^test/" },
    },
    ...roomRules,
    ...stepRules,
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^[.]sandbox/" },
    // Imports of types count: they decide what has to be read together.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
