"""The API for programs: `/api/v1`, and `/v1` for clients that were written for OpenAI's."""
