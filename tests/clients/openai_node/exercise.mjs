// What a service in Node does with the gateway through OpenAI's SDK; prints what it saw as one JSON object.
// usage: node exercise.mjs BASE_URL TROUBLED_BASE_URL

import OpenAI from "openai";

const [baseURL, troubledURL] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "not-needed", maxRetries: 0 });
const troubled = new OpenAI({ baseURL: troubledURL, apiKey: "not-needed", maxRetries: 0 });

const messages = [{ role: "user", content: "Hello from Node" }];
const chat = { model: "chat", messages };
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      parameters: {
        type: "object",
        properties: { city: { type: "string" }, days: { type: "integer", minimum: 1, maximum: 7 } },
        required: ["city", "days"],
        additionalProperties: false,
      },
    },
  },
];
const forced = { ...chat, tools, tool_choice: { type: "function", function: { name: "get_weather" } } };
const response_format = {
  type: "json_schema",
  json_schema: {
    name: "meeting",
    strict: true,
    schema: {
      type: "object",
      properties: { title: { type: "string" }, minutes: { type: "integer" } },
      required: ["title", "minutes"],
      additionalProperties: false,
    },
  },
};

async function all(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}

// Calls, and gives the error that comes instead of an answer: its class and what a caller reads of it.
async function failure(call) {
  const seen = [];
  try {
    const answer = await call();
    if (answer[Symbol.asyncIterator]) for await (const chunk of answer) seen.push(chunk);
  } catch (error) {
    const { constructor, status, code, param, type, message, headers, requestID } = error;
    const retryAfter = headers?.get?.("retry-after") ?? null;
    return { class: constructor.name, status, code, param, type, message, retryAfter, requestID, seen: seen.length };
  }
  return { class: null, seen: seen.length };
}

async function left() {
  const stream = await client.chat.completions.create({ ...chat, stream: true });
  for await (const _ of stream) break;
  return (await client.chat.completions.create({ ...chat, max_tokens: 1 })).choices[0].finish_reason;
}

async function withRawResponse() {
  const create = client.chat.completions.create(chat, { headers: { "X-Request-ID": "order-4711" } });
  const { data, response, request_id } = await create.withResponse();
  return { id: request_id, onAnswer: data._request_id, contentType: response.headers.get("content-type") };
}

const embed = { model: "embeddings", input: ["one text", "and another"] };
const complete = { model: "completions", prompt: "Once upon a time", max_tokens: 20 };

const seen = {
  chat: await client.chat.completions.create(chat),
  stream: await all(client.chat.completions.create({ ...chat, stream: true })),
  streamWithUsage: await all(
    client.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } }),
  ),
  helper: await client.chat.completions.stream(chat).finalChatCompletion(),
  left: await left(),
  raw: await withRawResponse(),
  tool: await client.chat.completions.create(forced),
  toolStream: await all(client.chat.completions.create({ ...forced, stream: true })),
  toolHelper: await client.chat.completions.stream(forced).finalChatCompletion(),
  structured: await client.chat.completions.parse({ ...chat, response_format }),
  embeddings: await client.embeddings.create(embed),
  embeddingsAsFloats: await client.embeddings.create({ ...embed, encoding_format: "float" }),
  embeddingsShort: await client.embeddings.create({ ...embed, dimensions: 64 }),
  completion: await client.completions.create(complete),
  completionStream: await all(client.completions.create({ ...complete, stream: true })),
  models: await all(client.models.list()),
  model: await client.models.retrieve("chat"),
  errors: {
    unknownModel: await failure(() => client.chat.completions.create({ ...chat, model: "gpt-nope" })),
    unknownModelStream: await failure(() => client.chat.completions.create({ ...chat, model: "gpt-nope", stream: true })),
    unknownModelRetrieved: await failure(() => client.models.retrieve("gpt-nope")),
    wrongValue: await failure(() => client.chat.completions.create({ ...chat, temperature: 9 })),
    wrongType: await failure(() => client.chat.completions.create({ ...chat, model: "embeddings" })),
    withinLimit: await failure(() => troubled.chat.completions.create({ ...chat, model: "limited-node" })),
    limited: await failure(() => troubled.chat.completions.create({ ...chat, model: "limited-node", stream: true })),
    refusing: await failure(() => troubled.chat.completions.create({ ...chat, model: "refusing", stream: true })),
    unauthorized: await failure(() => troubled.chat.completions.create({ ...chat, model: "unauthorized" })),
    overloaded: await failure(() => troubled.chat.completions.create({ ...chat, model: "overloaded" })),
    unreachable: await failure(() => troubled.chat.completions.create({ ...chat, model: "unreachable" })),
    cut: await failure(() => troubled.chat.completions.create({ ...chat, model: "cut", stream: true })),
  },
};

console.log(JSON.stringify(seen));
