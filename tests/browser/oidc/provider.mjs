// An OpenID provider for the tests: whoever signs in is who they say. Arguments: port, redirect URI.
import { Provider } from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const GROUPS = { ana: ["staff", "scribes-admins"], bo: ["staff"], eve: ["guests"] };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: "scriptorium",
    client_secret: "a secret of the tests only",
    redirect_uris: [redirect],
  }],
  claims: {
    openid: ["sub"],
    profile: ["preferred_username", "groups"],
    email: ["email", "email_verified"],
  },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      preferred_username: `${id}.at.work`,
      email: `${id}@example.org`,
      groups: GROUPS[id] ?? [],
    }),
  }),
});

provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
