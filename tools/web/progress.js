// What the engine calls of JavaScript: linked into the module.
mergeInto(LibraryManager.library, {
  nlcl_progress: function (part) {
    Module.onprogress(part);
  },
});
