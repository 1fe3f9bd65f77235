// Generated from config/config-schema.ts: node --import tsx scripts/package-schema.ts
import type { Input } from "@pulumi/pulumi";

/** Arguments of CasaUpgrade: the keys of docs/config.md. */
export interface CasaUpgradeArgs {
  /**
   * Kubeconfig context of the cluster; always named, so that no upgrade goes to the wrong cluster. Allowed:
   * the name of a kubeconfig context.
   */
  readonly context: Input<string>;
  /** Kubeconfig file; empty: `$KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: Input<string>;
  /**
   * UID of the cluster's kube-system namespace; when set, any other cluster is refused. Allowed: a UID as
   * `kubectl get namespace kube-system -o jsonpath={.metadata.uid}` prints it.
   */
  readonly clusterId?: Input<string>;
  /**
   * The chart: local folder or `.tgz`, `oci://…`, or a name together with `repository`. Allowed: a folder, a
   * .tgz, oci://…, or a chart name together with `repository`.
   */
  readonly chart: Input<string>;
  /**
   * Chart repository URL, with a chart name only. Allowed: an http(s):// URL (for an OCI registry, set `chart`
   * to oci://… instead).
   */
  readonly repository?: Input<string>;
  /**
   * Exact chart version; required unless the chart is local. Allowed: an exact version such as 0.1.18, no
   * range: two runs must mean the same.
   */
  readonly version?: Input<string>;
  /** Helm release name. Allowed: lower-case letters, digits and "-", at most 53. Default: "casa". */
  readonly release?: Input<string>;
  /**
   * Namespace of the release. Allowed: lower-case letters, digits and "-", at most 63. Default:
   * "casa-runtime".
   */
  readonly namespace?: Input<string>;
  /** Chart values. */
  readonly values?: Input<Readonly<Record<string, unknown>>>;
  /** Chart values that never show: merged over `values`, always stored encrypted. */
  readonly secretValues?: Input<Readonly<Record<string, unknown>>>;
  /** YAML value files, relative to the project's folder; later ones win, `values` wins over all. */
  readonly valueFiles?: Input<readonly Input<string>[]>;
  /**
   * How configuration reaches the MAS pods; decides what must be ready before the first restart. Allowed:
   * istio, cilium. Default: "istio".
   */
  readonly mode?: Input<"istio" | "cilium">;
  /**
   * MutatingWebhookConfiguration of mode `cilium`. Allowed: the name of a Kubernetes object. Default:
   * "casa-sidecar-injector".
   */
  readonly webhook?: Input<string>;
  /**
   * Install when the release does not exist; false: that is an error, it is probably the wrong cluster.
   * Default: false.
   */
  readonly allowInstall?: Input<boolean>;
  /** Revisions that `helm history` keeps. Allowed: 2 to 1000. Default: 10. */
  readonly maxHistory?: Input<number>;
  /**
   * Of a CRD that several files of the chart bring with different contents, the file that counts, by the CRD's
   * name; without it the first one, as with helm.
   */
  readonly crdSources?: Input<Readonly<Record<string, Input<string>>>>;
  /**
   * Names of CRDs that belong to another helm release, to Argo CD or to Flux, and that this upgrade may change
   * all the same.
   */
  readonly takeOverCrds?: Input<readonly Input<string>[]>;
  /**
   * How serious a finding of the CRD comparison is, and why: maps with `rule`, `severity` (error, warning,
   * none), `reason`, and optionally `crd` and `path`; the rules are in docs/crd-rules.md.
   */
  readonly crdRules?: Input<readonly Input<CrdRuleArgs>[]>;
  /**
   * YAML file with the rules by which custom resources get into the form of a CRD's next version, relative to
   * the project's folder; empty: none; see docs/custom-resource-migration.md. Allowed: the path of a YAML
   * file.
   */
  readonly customResourceMigrations?: Input<string>;
  /**
   * Findings of policies that are accepted for a time: the policy's name, and `YYYY-MM-DD reason`; after that
   * day the policy refuses again. docs/policies.md says which policies take one.
   */
  readonly acknowledge?: Input<Readonly<Record<string, Input<string>>>>;
  /** The gate between the chart and the restarts. */
  readonly migrationGate?: Input<MigrationGateArgs>;
  /** Backup of the databases before an upgrade. */
  readonly backup?: Input<BackupArgs>;
  /** Restarts of MAS workloads. */
  readonly restarts?: Input<RestartsArgs>;
  /** Time limits, in seconds. */
  readonly timeouts?: Input<TimeoutsArgs>;
}

/** See `timeouts`. */
export interface TimeoutsArgs {
  /** Longest wait for the API server's first answer, in seconds. Allowed: 1 to 600. Default: 10. */
  readonly connect?: Input<number>;
  /**
   * Longest wait for its answer to any later request, such as the dry-run of a large CRD, in seconds. Allowed:
   * 1 to 3600. Default: 60.
   */
  readonly request?: Input<number>;
  /** Longest wait for all CRDs to be Established, in seconds. Allowed: 1 to 3600. Default: 60. */
  readonly crds?: Input<number>;
  /**
   * Longest time for the migration of one CRD's custom resources, in seconds. Allowed: 1 to 86400. Default:
   * 3600.
   */
  readonly customResources?: Input<number>;
  /** Longest wait of helm for all workloads of the release, in seconds. Allowed: 1 to 86400. Default: 600. */
  readonly release?: Input<number>;
  /**
   * Longest wait for the auth service's migration after helm is satisfied, in seconds. Allowed: 1 to 86400.
   * Default: 300.
   */
  readonly migration?: Input<number>;
  /**
   * Longest wait for the sidecar or injector before the first restart, in seconds. Allowed: 1 to 3600.
   * Default: 120.
   */
  readonly injection?: Input<number>;
  /** Longest wait for one restarted workload, in seconds. Allowed: 1 to 86400. Default: 300. */
  readonly restart?: Input<number>;
}

/** See `restarts`. */
export interface RestartsArgs {
  /** Restart MAS workloads at all. Default: true. */
  readonly enabled?: Input<boolean>;
  /**
   * Find workloads through MultiAgentSystem and CASAPolicy objects; false: only `restarts.workloads`. Default:
   * true.
   */
  readonly discovery?: Input<boolean>;
  /**
   * MAS workloads that may be between first patch and fully available at any moment; a share of all that are
   * restarted is rounded up. Allowed: a whole number from 1 to 1000, or a share from 1% to 100%. Default: 1.
   */
  readonly maxConcurrent?: Input<number | string>;
  /** Workloads restarted first, before all others. */
  readonly canaries?: Input<readonly Input<string>[]>;
  /**
   * How long the canaries must stay available before anything else is restarted, in seconds. Allowed: 0 to
   * 86400. Default: 0.
   */
  readonly canarySoakSeconds?: Input<number>;
  /** Workloads never restarted; they are reported. */
  readonly exclude?: Input<readonly Input<string>[]>;
  /** Workloads restarted in addition to the discovered ones, last. */
  readonly workloads?: Input<readonly Input<string>[]>;
  /**
   * Restarts every MAS workload once although the release gives no reason, and is kept with it; another text
   * restarts them once more, an empty one nothing. Allowed: one line of at most 200 characters.
   */
  readonly reason?: Input<string>;
  /**
   * Workloads that are not available before the upgrade: `last` restarts them after all others and lets them
   * fail, `refuse` refuses the upgrade. Allowed: last, refuse. Default: "last".
   */
  readonly brokenBefore?: Input<"last" | "refuse">;
  /** Further objects of the chart whose change makes a restart necessary, as `Kind/name`. */
  readonly inputs?: Input<readonly Input<string>[]>;
  /** Deployment of the ext-authz sidecar; empty: `<release>-sidecar`. Allowed: the name of a Deployment. */
  readonly sidecarDeployment?: Input<string>;
}

/** See `backup`. */
export interface BackupArgs {
  /** Back up and verify the databases before an upgrade changes anything; see docs/backup.md. Default: true. */
  readonly enabled?: Input<boolean>;
  /**
   * Where backups go: a folder (relative to the project's), `s3://bucket/prefix`, or `pvc://claim/folder` with
   * a PersistentVolumeClaim in the release's namespace. Allowed: a folder, s3://bucket/prefix or
   * pvc://claim/folder; no other URL, no credentials and no `..` in it. Default: "backups".
   */
  readonly destination?: Input<string>;
  /**
   * Image of the helper pod that mounts the claim: any with sh, cat, mkdir, mv, rm, sleep, sync and sha256sum.
   * Allowed: the name of an image. Default: "docker.io/library/busybox:1.37.0".
   */
  readonly pvcImage?: Input<string>;
  /** URL of an S3-compatible server; empty: AWS. Allowed: an http(s):// URL without credentials. */
  readonly s3Endpoint?: Input<string>;
  /** Region of the bucket. Allowed: a region such as eu-central-1. Default: "us-east-1". */
  readonly s3Region?: Input<string>;
  /** Verified backups of each database that are left after a new one. Allowed: 1 to 1000. Default: 5. */
  readonly keep?: Input<number>;
  /**
   * Where backups are tried: `server`: on a throw-away server of the same version, in a pod of the same image
   * (for databases outside of the cluster on this machine); `database`: in a scratch database on the server
   * itself; `auto`: on a throw-away server, and in a scratch database where none can be had. Allowed: auto,
   * server or database. Default: "auto".
   */
  readonly proof?: Input<"auto" | "server" | "database">;
  /** Back up the PostgreSQL servers of the installed release; false: only `backup.databases`. Default: true. */
  readonly discover?: Input<boolean>;
  /**
   * Databases outside of the release: maps with `name`, `host`, `port` (5432), `database`, `user`, `secret`
   * (`name`, `key` and perhaps `namespace` of the Secret with the password) and `sslMode` (prefer).
   */
  readonly databases?: Input<readonly Input<ExternalDatabaseArgs>[]>;
  /**
   * Longest time for all dumps, and again for their verification, in seconds. Allowed: 1 to 86400. Default:
   * 3600.
   */
  readonly timeoutSeconds?: Input<number>;
}

/** See `backup.databases`. */
export interface ExternalDatabaseArgs {
  /** Allowed: letters, digits, `-`, `_` and `.`. */
  readonly name: Input<string>;
  readonly host: Input<string>;
  /** Allowed: 1 to 65535. Default: 5432. */
  readonly port?: Input<number>;
  readonly database: Input<string>;
  readonly user: Input<string>;
  readonly secret: Input<PasswordSecretArgs>;
  /** Allowed: disable, prefer, require, verify-ca, verify-full. Default: "prefer". */
  readonly sslMode?: Input<"disable" | "prefer" | "require" | "verify-ca" | "verify-full">;
}

/** See `backup.databases.secret`. */
export interface PasswordSecretArgs {
  readonly name: Input<string>;
  readonly key: Input<string>;
  readonly namespace?: Input<string>;
}

/** See `migrationGate`. */
export interface MigrationGateArgs {
  /** Wait for the auth service's schema migration before MAS workloads are restarted. Default: true. */
  readonly enabled?: Input<boolean>;
  /**
   * Deployment (or StatefulSet, Rollout, DaemonSet) of the auth service; empty: `<release>-auth-service`, else
   * the one labelled as auth-service. Allowed: the name of a Deployment.
   */
  readonly deployment?: Input<string>;
  /** Fail when the log of a ready pod says that its migration failed. Default: true. */
  readonly checkLogs?: Input<boolean>;
  /**
   * Fail when a database lost its tables, its Alembic revision or all its rows since the backup of this run.
   * Default: true.
   */
  readonly compareData?: Input<boolean>;
  /**
   * Path that every pod must answer with 2xx, one that touches the database; empty: no probe. Allowed: a path
   * that begins with /.
   */
  readonly httpPath?: Input<string>;
  /** Port of the pods for `httpPath`. Allowed: 1 to 65535. Default: 8000. */
  readonly port?: Input<number>;
  /**
   * Revision that the table alembic_version must hold, several separated by commas; empty: any. Allowed: one
   * or more revisions, separated by commas.
   */
  readonly expectedRevision?: Input<string>;
}

/** See `crdRules`. */
export interface CrdRuleArgs {
  /**
   * Name of the CRD, `*` standing for any text; all CRDs where it is not set. Allowed: name of a CRD, "*" for
   * any text.
   */
  readonly crd?: Input<string>;
  /**
   * Id of the rule. Allowed: one of scope, existingFieldRemoval, storedVersionRemoval, type, enum, required,
   * default, nullable, pattern, description, maximum, minimum, maxLength, minLength, maxItems, minItems,
   * maxProperties, minProperties, unhandled, casa/celRuleAdded, casa/celRuleChanged,
   * casa/servedVersionRemoval, casa/storageVersionChange, casa/listTypeChange, casa/listMapKeysChange,
   * casa/mapTypeChange, casa/pruningEnabled, casa/additionalPropertiesRemoval, casa/intOrStringRemoval,
   * casa/conversionWithoutWebhook, casa/namesChange, casa/statusSubresourceRemoval,
   * casa/scaleSubresourceRemoval, casa/requiredPropertyAdded.
   */
  readonly rule: Input<string>;
  /**
   * Path of the field, `*` standing for any text; all fields where it is not set. Allowed: a path that begins
   * with "^", "*" for any text.
   */
  readonly path?: Input<string>;
  /** What a finding counts as. Allowed: error, warning, none. */
  readonly severity: Input<"error" | "warning" | "none">;
  /** Why; the review shows it with each finding that it makes less serious. Allowed: a sentence. */
  readonly reason: Input<string>;
}
