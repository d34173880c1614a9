"""PostgreSQL through Prisma Client Python."""
