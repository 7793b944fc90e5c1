"use strict";

const place = document.getElementById("docs");

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // The pasted token counts, never the cookie of somebody who is signed in to these pages.
  requestInterceptor: (request) => {
    request.credentials = "omit";
    return request;
  },
});
