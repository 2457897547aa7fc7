// mercurius on Fastify: node mercurius.js PORT, with BENCH_JIT=1 as its documentation says to have the JIT: jit: 1.
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { resolvers, typeDefs } from './memory.js';

const app = Fastify();
await app.register(mercurius, { schema: typeDefs, resolvers, ...(process.env.BENCH_JIT === '1' ? { jit: 1 } : {}) });
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' });
