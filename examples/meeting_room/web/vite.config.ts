import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` talks to a server that runs beside it; the built page talks to the server that it comes from.
const server = "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  build: { assetsInlineLimit: 0, reportCompressedSize: false },
  server: { proxy: { "/graphql": { target: server, ws: true } } },
});
