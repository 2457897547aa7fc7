// GraphQL Yoga as shipped, on node:http: node yoga.js PORT. Its caches of parsed and validated documents are on by default.
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { resolvers, typeDefs } from './memory.js';

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }) });
createServer(yoga).listen(Number(process.argv[2]), '127.0.0.1');
