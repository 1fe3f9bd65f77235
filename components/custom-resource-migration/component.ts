import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { type CrMigrationJob, type CrMigrationResult, crMigrationResult } from "./job";
import { stepsOf } from "./plan";
import { type ClusterAccess, program } from "../../shared/shell";
import { helperCommand, isInRun } from "../helper-command";

/** What {@link CustomResourceMigration} does. */
export interface CustomResourceMigrationArgs {
  /** One for each CRD whose objects are migrated; most upgrades have none. */
  readonly jobs: readonly CrMigrationJob[];
  /** Tells this run's migration from an equal one of before, so that it runs again. */
  readonly occasion: string;
  readonly access: ClusterAccess;
}

/**
 * Brings custom resources into the form of their CRD's next version, by declared rules, before that schema is served.
 *
 * - All objects of the CRD are saved first, and checked: one that would lose something that no rule mentions stops
 *   everything.
 * - In between the CRD keeps any content (components/custom-resource-migration/transitional.ts), so old and new form
 *   may contradict each other.
 * - Each object is written in one request, `status.storedVersions` is reduced, and then the new CRD put in place: the
 *   next step finds it there already. Killed anywhere, the next `pulumi up` goes on.
 * - A run without a migration keeps what the last one put out. The inputs say what this run does, so they are ignored
 *   then.
 *
 * Nothing happens on `destroy`. Its inputs are plain values, known at preview: `migrations`.
 */
export class CustomResourceMigration extends pulumi.ComponentResource {
  /** What the last migration did, for each CRD. */
  readonly migrated: pulumi.Output<CrMigrationResult[]>;
  /** False when this run needs the migration, and `--target` left it out. */
  readonly isInRun: pulumi.Output<boolean>;

  constructor(
    name: string,
    { jobs, occasion, access }: CustomResourceMigrationArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const migrations = jobs.map((job) => {
      const { crd, from, to, storage } = job;
      return { crd, from, to, storage, rules: stepsOf(job).map(({ text }) => text) };
    });
    const idle = jobs.length === 0;
    super(
      "casa-upgrade:index:CustomResourceMigration",
      name,
      { migrations },
      {
        ...opts,
        ignoreChanges: idle ? ["migrations"] : [],
      },
    );
    const command = {
      line: idle ? "printf '[]'" : program("migration", access),
      access,
      job: { migrations: jobs, occasion },
      idle,
    };
    const done = helperCommand(`${name}-migrated`, command, { parent: this });
    this.isInRun = isInRun(done, command);
    this.migrated = done.stdout.apply((text) => z.array(crMigrationResult).parse(JSON.parse(text)));
    this.registerOutputs({ migrated: this.migrated });
  }
}
