/** Page of the documentation that explains the rules of custom resource migrations. */
export const MIGRATION_DOC = "docs/custom-resource-migration.md";
