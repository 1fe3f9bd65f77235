import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import execa from "execa";
import { z } from "zod";

const review = z.looseObject({
  request: z.looseObject({
    uid: z.string(),
    dryRun: z.boolean().nullish(),
    object: z.looseObject({
      metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).optional() }),
      spec: z.looseObject({ containers: z.array(z.looseObject({ name: z.string(), image: z.string() })) }),
    }),
  }),
});
/** Pods with this annotation are left out, by the injector itself. */
export const LEFT_OUT = "mesh.example/skip";

/** A small injector as a process behind a webhook: adds one container to each pod that it is asked about. */
export class SidecarInjector {
  /** What it injects; another one from the next pod on. */
  image = "registry.example/casa/sidecar:1";

  /** Where images are taken from instead, as a registry's mirror has it; undefined: from where they are. */
  mirror: string | undefined;
  /** What is only tried is left as it is. */
  mirrorsInDryRun = true;

  private port = 0;

  private constructor(
    private readonly server: Server,
    /** Base64, as a webhook configuration has it. */
    readonly caBundle: string,
  ) {}

  /** @param container name of what it adds. @param folder for its key and its certificate, which only it has. */
  static async start(folder: string, name = "injector", container = "casa-proxy"): Promise<SidecarInjector> {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
    await execa("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
    ]);
    const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
      void text(request).then((body) => {
        const { uid, object, dryRun } = review.parse(JSON.parse(body)).request;
        // Asked again about a pod that it has changed already, when something else changed that afterwards.
        const there = object.spec.containers.some((one) => one.name === container);
        const leftOut = object.metadata.annotations?.[LEFT_OUT] !== undefined;
        const mirror = dryRun && !injector.mirrorsInDryRun ? undefined : injector.mirror;
        const from = (image: string) => (mirror ? image.replace(/^[^/]+(?=\/)/, mirror) : image);
        const value = { name: container, image: from(injector.image) };
        const moved = object.spec.containers.map(({ image }, i) => {
          return { op: "replace", path: `/spec/containers/${i}/image`, value: from(image) };
        });
        const operations = [...moved, ...(there || leftOut ? [] : [{ op: "add", path: "/spec/containers/-", value }])];
        const patch = Buffer.from(JSON.stringify(operations)).toString("base64");
        const answer = { uid, allowed: true, patchType: "JSONPatch", patch };
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: answer }));
      });
    });
    const injector = new SidecarInjector(server, readFileSync(cert).toString("base64"));
    await injector.startAgain();
    return injector;
  }

  /** Listens where it did before it was stopped. */
  async startAgain(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", reject).listen(this.port, "127.0.0.1", resolve);
    });
    this.port = (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}/inject`;
  }

  /** Its webhook, ignored where it does not answer, as the sample chart has it. */
  webhook(name: string, caBundle = this.caBundle, more: object = {}): object {
    return {
      ...{ apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingWebhookConfiguration", metadata: { name } },
      webhooks: [
        {
          ...{ name: "inject.casa.io", admissionReviewVersions: ["v1"], sideEffects: "None" },
          ...{ failurePolicy: "Ignore", timeoutSeconds: 2 },
          namespaceSelector: { matchLabels: { "casa.io/injection": "enabled" } },
          rules: [{ apiGroups: [""], apiVersions: ["v1"], resources: ["pods"], operations: ["CREATE"] }],
          clientConfig: { caBundle, url: this.url },
          ...more,
        },
      ],
    };
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
