// Apollo Client reads the types of variables and results from the document nodes.
import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client";

import { Product, Sell } from "./operations";

const client = new ApolloClient({ link: new HttpLink({ uri: "/graphql" }), cache: new InMemoryCache() });

export async function label(id: string): Promise<string> {
  const { data } = await client.query({ query: Product, variables: { id } });
  const product = data?.productView;
  if (!product) return "nothing";
  const kind: "BREAD" | "CAKE" = product.kind;
  const price: string = product.price;
  const until: string | null | undefined = product.bestBefore;
  const crumbs: number | string = product.crumbs;
  return [product.name, kind, price, until, crumbs, product.bakedAt.slice(0, 10)].join(" ");
}

export async function sell(id: string, count: number): Promise<string> {
  const { data } = await client.mutate({ mutation: Sell, variables: { id, count, price: "2.50" } });
  const result = data?.productSell;
  switch (result?.__typename) {
    case "ProductView":
      return `${result.stock.toFixed()} left`;
    case "SoldOut":
      return `${result.message}, ${result.left.toFixed()} left`;
    default:
      return "nothing";
  }
}
