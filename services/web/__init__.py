"""The page at `/` and the chat widget: static files, served with the headers that keep them safe."""
