import { randomInt } from "node:crypto";
import * as net from "node:net";

/**
 * Ports to choose from: below those that Linux, macOS and Windows give to connections, or one of these could take a
 * port before the server listens that it was found for.
 */
const [LEAST, MOST] = [10_240, 32_767];
/** Ports tried for each that is wanted. */
const TRIES = 100;

/** Finds `count` free loopback ports. All are held until the last is found, so that none is given out twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenAnywhere));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function listenAnywhere(): Promise<net.Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen(randomInt(LEAST, MOST));
    } catch (error) {
      if (attempt === TRIES) throw error;
    }
  }
}

function listen(port: number): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(server));
  });
}
