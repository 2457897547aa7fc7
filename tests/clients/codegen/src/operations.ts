import { graphql } from "./gql";

export const Product = graphql(`
  query Product($id: ID!) {
    productView(id: $id) {
      id
      name
      kind
      price
      bakedAt
      bestBefore
      crumbs
      facts
      cost
    }
  }
`);

export const Sell = graphql(`
  mutation Sell($id: ID!, $count: Int!, $price: Decimal!) {
    productSell(id: $id, count: $count, price: $price) {
      __typename
      ... on ProductView {
        stock
      }
      ... on SoldOut {
        message
        left
      }
    }
  }
`);

export const Stock = graphql(`
  subscription Stock($id: ID!) {
    productView(id: $id) {
      stock
    }
  }
`);
