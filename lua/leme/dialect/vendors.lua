return { list = {}, aliases = {} }
