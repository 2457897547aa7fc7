// Apollo Server 5 as shipped, standalone: node apollo.js PORT. NODE_ENV=production, as its documentation says.
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { resolvers, typeDefs } from './memory.js';

const server = new ApolloServer({ typeDefs, resolvers });
await startStandaloneServer(server, { listen: { port: Number(process.argv[2]), host: '127.0.0.1' } });
