import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import execa from "execa";
import { z } from "zod";

const review = z.looseObject({ request: z.looseObject({ uid: z.string() }) });

/** A small injector as a process behind a webhook: adds one container to each pod that it is asked about. */
export class SidecarInjector {
  /** What it injects; another one from the next pod on. */
  image = "registry.example/casa/sidecar:1";

  private constructor(
    private readonly server: Server,
    /** Base64, as a webhook configuration has it. */
    readonly caBundle: string,
  ) {}

  /** @param folder for its key and its certificate, which only it has. */
  static async start(folder: string, name = "injector"): Promise<SidecarInjector> {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
    await execa("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
    ]);
    const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
      void text(request).then((body) => {
        const { uid } = review.parse(JSON.parse(body)).request;
        const value = { name: "casa-proxy", image: injector.image };
        const patch = Buffer.from(JSON.stringify([{ op: "add", path: "/spec/containers/-", value }])).toString(
          "base64",
        );
        const answer = { uid, allowed: true, patchType: "JSONPatch", patch };
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: answer }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const injector = new SidecarInjector(server, readFileSync(cert).toString("base64"));
    return injector;
  }

  /** Its webhook, ignored where it does not answer, as the sample chart has it. */
  webhook(name: string, caBundle = this.caBundle): object {
    const { port } = this.server.address() as AddressInfo;
    return {
      ...{ apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingWebhookConfiguration", metadata: { name } },
      webhooks: [
        {
          ...{ name: "inject.casa.io", admissionReviewVersions: ["v1"], sideEffects: "None" },
          ...{ failurePolicy: "Ignore", timeoutSeconds: 2 },
          namespaceSelector: { matchLabels: { "casa.io/injection": "enabled" } },
          rules: [{ apiGroups: [""], apiVersions: ["v1"], resources: ["pods"], operations: ["CREATE"] }],
          clientConfig: { caBundle, url: `https://127.0.0.1:${port}/inject` },
        },
      ],
    };
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
