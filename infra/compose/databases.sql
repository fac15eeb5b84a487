-- Run once, when the server's files are made. `concord` itself is made by the image.
CREATE DATABASE mlflow;
CREATE DATABASE prefect;
\connect prefect
CREATE EXTENSION IF NOT EXISTS pg_trgm;
\connect concord
CREATE EXTENSION IF NOT EXISTS vector;
