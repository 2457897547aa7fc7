// urql does too, and so does every client that knows TypedDocumentNode.
import { Client, fetchExchange } from "@urql/core";

import { Product, Stock } from "./operations";

const client = new Client({ url: "/graphql", exchanges: [fetchExchange], preferGetMethod: false });

export async function name(id: string): Promise<string | undefined> {
  const { data } = await client.query(Product, { id });
  return data?.productView?.name;
}

export function follow(id: string, show: (stock: number) => void): () => void {
  const { unsubscribe } = client.subscription(Stock, { id }).subscribe(({ data }) => {
    if (data?.productView) show(data.productView.stock);
  });
  return unsubscribe;
}
